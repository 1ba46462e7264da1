import { execFile } from 'node:child_process'
import { accessSync, constants, mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'tap'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { Harness } from './harness.ts'

/** The cf CLI v8 named by CF_CLI, or the first on PATH. */
const cli = [process.env['CF_CLI'], ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'cf'))].find((file) => {
  try {
    accessSync(file ?? '', constants.X_OK)
    return true
  } catch {
    return false
  }
})
const skip = cli ? false : 'no cf CLI on PATH, nor named by CF_CLI'

const manifest = `
version: 1
applications:
- name: shop
  path: app
  env: { GREETING: hello }
  metadata: { labels: { app: shop } }
  processes:
  - { type: web, instances: 2, memory: 64M, command: node server.js }
  - { type: worker, instances: 1, memory: 64M, command: node worker.js, health-check-type: process }
- { name: quiet, path: app, memory: 64M, no-route: true }
- { name: lucky, path: app, memory: 64M, random-route: true }
- name: routed
  path: app
  memory: 64M
  routes: [{ route: routed.mesh.apps.test/api, protocol: http2, options: { loadbalancing: least-connection } }]
`

for (const scheme of ['http', 'https'] as const) {
  test(`the cf CLI drives everything over ${scheme}`, { skip, timeout: 120_000 }, async (t) => {
    const home = mkdtempSync(join(tmpdir(), 'cf-'))
    t.teardown(() => rmSync(home, { recursive: true, force: true }))
    mkdirSync(join(home, 'app'))
    writeFileSync(join(home, 'app/package.json'), '{"scripts":{"start":"node server.js"}}')
    writeFileSync(join(home, 'manifest.yml'), manifest)
    const local = { host: '127.0.0.1', port: 0 }
    const { certificate, key } = issueCertificate(createAuthority('test'), { commonName: 'localhost', ips: ['127.0.0.1'] })
    const listen = { http: local, https: local }
    const harness = await Harness.start(t, {
      certificate: { cert: certificate, key },
      cloudController: listen,
      uaa: listen,
      logCache: listen,
    })
    harness.diego.staging = { processTypes: { web: 'npm start' }, buildpack: 'nodejs_buildpack' }

    const run = (line: string): Promise<{ code: number; output: string }> =>
      new Promise((resolve) => {
        const env = { ...process.env, CF_HOME: home, CF_COLOR: 'false', LANG: 'C', CF_STAGING_TIMEOUT: '1', CF_STARTUP_TIMEOUT: '1' }
        execFile(cli!, line.split(' '), { env, cwd: home, timeout: 60_000 }, (error, stdout, stderr) =>
          resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr }),
        )
      })
    const cf = async (line: string, ...expected: (RegExp | string)[]) => {
      const { code, output } = await run(line)
      if (!t.equal(code, 0, `cf ${line}`)) t.comment(output)
      for (const text of expected) t.match(output, text)
    }

    await cf(
      `api ${scheme}://127.0.0.1:${harness.foundation.cloudController.port(scheme)} --skip-ssl-validation`,
      'API version:    3.195.0',
    )
    await cf('auth admin admin-secret')
    await cf('create-org o')
    await cf('create-space s -o o')
    await cf('create-space s2 -o o')
    await cf('target -o o -s s', /space: +s\n/)
    await cf('create-user ada ada-pw')
    await cf('set-space-role ada o s SpaceDeveloper')
    await cf('space-users o s', 'ada (uaa)')
    await cf('create-domain o private.example.test')
    await cf('create-shared-domain shared.example.test')
    await cf('domains', /private\.example\.test +private/, /shared\.example\.test +shared/, /apps\.internal +shared +true/)
    await cf('push')
    await cf(
      'apps',
      /shop +started +web:2\/2, worker:1\/1 +shop\.apps\.test/,
      /quiet +started +web:1\/1 *\n/,
      /lucky +started +web:1\/1 +lucky-\S+\.apps\.test/,
    )
    await cf('app shop', /instances: +2\/2/, 'running')
    await cf('push shop -f manifest.yml --strategy rolling')
    await cf('restart shop --strategy rolling')
    await cf('scale shop -i 3', /instances: +3\/3/)
    await cf('scale shop -m 128M -f', /memory usage: +128M/)
    await cf('stop shop')
    await cf('start shop')
    await cf('restart shop')
    await cf('create-route apps.test --hostname extra --path /p')
    await cf('map-route shop mesh.apps.test --hostname shop --path /x --app-protocol http2')
    await cf('map-route shop mesh.apps.test --hostname opt --option loadbalancing=least-connection')
    await cf('update-route mesh.apps.test --hostname opt --option loadbalancing=round-robin')
    await cf(
      'routes',
      /shop +mesh\.apps\.test +\/x +http +http2 +8080 +shop/,
      /opt .*loadbalancing=round-robin/,
      /routed .*loadbalancing=least-connection/,
    )
    await cf('update-route mesh.apps.test --hostname opt --remove-option loadbalancing')
    await cf('share-route apps.test --hostname extra --path /p -s s2')
    await cf('unmap-route shop mesh.apps.test --hostname shop --path /x')
    await cf('delete-route mesh.apps.test --hostname shop --path /x -f')
    await cf('set-label app shop version=v2')
    await cf('labels app shop', /version +v2/)
    await cf('set-label route opt.mesh.apps.test tier=front')
    await cf('labels route opt.mesh.apps.test', /tier +front/)
    await cf('env shop', 'GREETING: hello')
    await cf('curl /v3/apps?names=shop', '"total_results":1')
    await cf('logs shop --recent', '[STG/0] OUT -----> Nodejs Buildpack')
    await cf('events shop', 'audit.app.map-route')
    await cf('create-app-manifest shop')
    await cf('delete shop -f -r')
    await cf('delete-space s -f')
    await cf('create-user bob bob-pw')
    await cf('delete-user bob -f')
    await cf('logout')
    t.equal((await run('apps')).code, 1)
    await cf('auth ada ada-pw')
    await cf('orgs', /^o$/m)
    t.match((await run('create-org mine')).output, 'You are not authorized to perform the requested action')
  })
}
