export interface Command {
  /** Arguments, separated by spaces. */
  line: string
  /** It ends with exit code 1. */
  fails?: boolean
  /** What its output contains. */
  says?: RegExp
}

/** Apps of every kind that `cf push` without further arguments pushes. */
export const manifest = ({ apps, mesh }: { apps: string; mesh: string }): string => `
version: 1
applications:
- name: shop
  path: app
  env: { GREETING: hello }
  routes: [{ route: shop.${apps} }, { route: shop.${mesh}/api, options: { loadbalancing: least-connection } }]
  processes:
  - { type: web, instances: 2, memory: 64M, command: node server.js }
  - { type: worker, instances: 1, memory: 64M, command: sleep 1000, health-check-type: process }
- { name: quiet, path: app, memory: 64M, no-route: true, health-check-type: process, command: sleep 1000 }
- { name: lucky, path: app, memory: 64M, random-route: true }
`

/** Every command of a developer's and an operator's day, in order, with how it ends. */
export function commands({
  api,
  user,
  password,
  apps,
  mesh,
}: {
  api: string
  user: string
  password: string
  apps: string
  mesh: string
}): Command[] {
  return [
    { line: `api ${api} --skip-ssl-validation`, says: /API version: +3\.195\.0/ },
    { line: 'orgs', fails: true, says: /Not logged in/ },
    { line: `auth ${user} wrong`, fails: true, says: /Credentials were rejected/ },
    { line: `login -a ${api} -u ${user} -p ${password} --skip-ssl-validation -o dev -s dev`, says: /space: +dev/ },
    { line: `auth ${user} ${password}` },
    { line: 'create-org o' },
    { line: 'create-org o', says: /already exists/ },
    { line: 'target -o o', says: /org: +o/ },
    { line: 'create-space s' },
    { line: 'create-space s', says: /already exists/ },
    { line: 'create-space s2 -o o' },
    { line: 'target -o o -s s', says: /space: +s/ },
    { line: 'target -o nobody', fails: true, says: /Organization 'nobody' not found/ },
    { line: 'target -o o -s s' },
    { line: 'orgs', says: /^o$/m },
    { line: 'spaces', says: /^s2$/m },
    { line: 'org o', says: /spaces: +s, s2/ },
    { line: 'space s' },
    { line: 'create-user ada ada-secret' },
    { line: 'create-user ada ada-secret', says: /already exists/ },
    { line: 'set-space-role ada o s SpaceDeveloper' },
    { line: 'set-org-role ada o OrgAuditor' },
    { line: 'space-users o s', says: /ada \(uaa\)/ },
    { line: 'unset-space-role ada o s SpaceDeveloper' },
    { line: 'create-private-domain o private.example.test' },
    { line: 'create-domain o other.example.test' },
    { line: 'create-shared-domain shared.example.test' },
    { line: 'create-shared-domain shared.example.test', fails: true, says: /already in use/ },
    { line: 'domains', says: /private\.example\.test +private/ },
    { line: 'push', says: /instances: +2\/2/ },
    { line: 'apps', says: /shop +started +web:2\/2, worker:1\/1/ },
    { line: 'app shop', says: /shop\.mesh\S+\/api/ },
    { line: 'app nobody', fails: true, says: /App 'nobody' not found/ },
    { line: 'app shop --guid' },
    { line: 'push lucky -p app --strategy rolling' },
    { line: 'restart shop --strategy rolling' },
    { line: 'scale shop -i 3', says: /instances: +\d\/3/ },
    { line: 'scale shop', says: /instances: +\d\/3/ },
    { line: 'scale shop --process worker -i 0' },
    { line: 'scale shop -m 128M -f', says: /memory usage: +128M/ },
    { line: 'stop shop' },
    { line: 'stop shop', says: /already stopped/ },
    { line: 'start shop', says: /instances: +\d\/3/ },
    { line: 'restart shop' },
    { line: 'restart-app-instance shop 0' },
    { line: `create-route ${apps} --hostname extra --path /p` },
    { line: `create-route ${apps} --hostname extra --path /p`, says: /already exists/ },
    { line: 'create-route nobody.test --hostname a', fails: true, says: /Domain 'nobody\.test' not found/ },
    { line: `map-route shop ${mesh} --hostname shop --path /x` },
    { line: `map-route quiet ${mesh} --hostname two --app-protocol http2` },
    { line: `map-route shop ${mesh} --hostname opt --option loadbalancing=least-connection` },
    { line: `map-route nobody ${mesh} --hostname x`, fails: true, says: /App 'nobody' not found/ },
    { line: `update-route ${mesh} --hostname opt --option loadbalancing=round-robin` },
    { line: `update-route ${mesh} --hostname opt --option loadbalancing=sideways`, fails: true, says: /must be one of/ },
    { line: 'routes', says: /opt .*loadbalancing=round-robin/ },
    { line: 'routes --org-level' },
    { line: `update-route ${mesh} --hostname opt --remove-option loadbalancing` },
    { line: `route ${mesh} --hostname opt`, says: /shop/ },
    { line: `check-route ${mesh} --hostname opt`, says: /does exist/ },
    { line: `share-route ${apps} --hostname extra --path /p -s s2 -o o` },
    { line: `unshare-route ${apps} --hostname extra --path /p -s s2 -o o` },
    { line: `move-route ${apps} --hostname extra --path /p -s s2 -o o` },
    { line: `unmap-route shop ${mesh} --hostname shop --path /x` },
    { line: `unmap-route shop ${mesh} --hostname shop --path /x`, says: /not mapped|OK/ },
    { line: `delete-route ${mesh} --hostname shop --path /x -f` },
    { line: `delete-route ${mesh} --hostname shop --path /x -f`, says: /not found/ },
    { line: 'set-label app shop version=v2' },
    { line: 'labels app shop', says: /version +v2/ },
    { line: 'set-label app shop bad/label/key=1', fails: true },
    { line: `set-label route opt.${mesh} tier=front` },
    { line: `labels route opt.${mesh}`, says: /tier +front/ },
    { line: 'unset-label app shop version' },
    { line: 'set-label space s stage=dev' },
    { line: 'set-label org o team=one' },
    { line: 'set-env shop COLOUR blue' },
    { line: 'env shop', says: /COLOUR: +blue/ },
    { line: 'unset-env shop COLOUR' },
    { line: 'curl /v3/apps?names=shop', says: /"total_results": ?1/ },
    { line: 'logs shop --recent', says: /\[STG\/0\]/ },
    { line: 'events shop', says: /audit\.app\.map-route/ },
    { line: 'create-app-manifest shop' },
    { line: 'rename shop store' },
    { line: 'rename store shop' },
    { line: 'packages shop' },
    { line: 'droplets shop' },
    { line: 'revisions shop' },
    { line: 'get-health-check shop' },
    { line: 'set-health-check shop http --endpoint /' },
    { line: 'buildpacks' },
    { line: 'stacks' },
    { line: 'feature-flags' },
    { line: 'delete shop -f -r' },
    { line: 'delete shop -f', says: /does not exist/ },
    { line: 'delete-orphaned-routes -f' },
    { line: 'delete-shared-domain shared.example.test -f' },
    { line: 'delete-private-domain private.example.test -f' },
    { line: 'delete-space s -f' },
    { line: 'delete-space s -f', says: /does not exist/ },
    { line: 'delete-user ada -f' },
    { line: 'delete-org o -f' },
    { line: 'logout' },
    { line: 'apps', fails: true },
  ]
}
