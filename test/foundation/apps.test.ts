import { test } from 'tap'
import { emptyZip, Harness, to, until } from './harness.ts'

test('an app is staged, started, scaled in place, restarted with a new version and stopped', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const desired = () => [...harness.diego.desired.values()]
  const [process] = desired()
  t.match(process, {
    appGuid: app,
    cfProcessGuid: app,
    appName: 'web',
    spaceName: 's',
    organizationName: 'o',
    type: 'web',
    instances: 1,
    command: 'npm start',
    ports: [8080],
  })
  t.match(JSON.parse(process!.environment['VCAP_APPLICATION']!), {
    application_id: app,
    application_name: 'web',
    space_name: 's',
    process_type: 'web',
  })

  t.match(await admin('POST', `/v3/apps/${app}/processes/web/actions/scale`, { instances: 3 }), { status: 202, body: { instances: 3 } })
  t.match(desired(), [{ processGuid: process!.processGuid, instances: 3 }], 'same version')
  t.match((await admin('GET', `/v3/processes/${app}/stats`)).body.resources, [
    { index: 0, state: 'RUNNING', routable: true },
    { index: 1 },
    { index: 2 },
  ])
  t.equal((await admin('DELETE', `/v3/apps/${app}/processes/web/instances/1`)).status, 204)
  t.same(harness.diego.restarted, [`${process!.processGuid}/1`])
  t.match(await admin('DELETE', `/v3/apps/${app}/processes/web/instances/3`), { status: 404 })

  await admin('PATCH', `/v3/apps/${app}/environment_variables`, { var: { A: 'b' } })
  t.notOk(desired()[0]!.environment['A'], 'a new variable waits for the restart')
  await admin('POST', `/v3/apps/${app}/actions/restart`)
  t.equal(desired().length, 1)
  t.not(desired()[0]!.processGuid, process!.processGuid)
  t.equal(desired()[0]!.environment['A'], 'b')

  await admin('POST', `/v3/apps/${app}/actions/stop`)
  t.same(desired(), [])
  t.same((await admin('GET', `/v3/processes/${app}/stats`)).body.resources, [])
})

test('a crash is in the audit events and the logs of its app', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const [{ processGuid } = { processGuid: '' }] = harness.diego.desired.values()
  const crash = {
    instanceGuid: 'i-1',
    cellId: 'cell-1',
    index: 0,
    count: 2,
    reason: 'APP/PROC/WEB: Exited with status 3',
    at: 1_700_000_000_000,
  }
  harness.diego.crash({ processGuid, ...crash })
  harness.diego.crash({ processGuid: 'of nobody', ...crash })
  const { body } = await admin('GET', `/v3/audit_events?types=app.crash,audit.app.process.crash&target_guids=${app}`)
  const data = {
    instance: 'i-1',
    index: 0,
    cell_id: 'cell-1',
    reason: 'CRASHED',
    exit_description: 'APP/PROC/WEB: Exited with status 3',
    crash_count: 2,
    crash_timestamp: 1_700_000_000_000_000_000,
  }
  t.match(body.resources, [
    {
      type: 'app.crash',
      actor: { guid: app, type: 'app', name: 'web' },
      target: { guid: app, type: 'app', name: 'web' },
      data,
      space: { guid: space },
    },
    {
      type: 'audit.app.process.crash',
      actor: { guid: app, type: 'process', name: 'web' },
      target: { guid: app, type: 'app' },
      data,
      space: { guid: space },
    },
  ])
  t.equal(body.resources.length, 2)
  t.match(harness.diego.logs(app, { descending: true }), [{ sourceType: 'API', message: 'Process has crashed with type: "web"' }])
})

test('a running environment variable group is in the environment of what starts from then on, beneath its own variables', async (t) => {
  const harness = await Harness.start(t, { environment: { MESH: 'here' } })
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const environment = () => [...harness.diego.desired.values()][0]!.environment
  t.match(environment(), { MESH: 'here' })

  const group = await admin('PATCH', '/v3/environment_variable_groups/running', { var: { A: 1, B: 'b', MESH: null } })
  t.match(group, {
    status: 200,
    body: {
      name: 'running',
      var: { A: '1', B: 'b' },
      updated_at: /Z$/,
      links: { self: { href: /environment_variable_groups\/running$/ } },
    },
  })
  t.notOk(environment()['A'], 'it waits for the restart')
  await admin('PATCH', `/v3/apps/${app}/environment_variables`, { var: { B: 'own' } })
  await admin('POST', `/v3/apps/${app}/actions/restart`)
  t.match(environment(), { A: '1', B: 'own', MESH: undefined })
  t.match((await admin('GET', `/v3/apps/${app}/env`)).body, { running_env_json: { A: '1' }, staging_env_json: {} })

  t.same((await admin('GET', '/v3/environment_variable_groups/staging')).body.var, {})
  t.match(await admin('PATCH', '/v3/environment_variable_groups/running', { var: { VCAP_X: 'y' } }), {
    status: 422,
    body: { errors: [{ detail: /cannot start with VCAP_/ }] },
  })
  t.equal((await admin('GET', '/v3/environment_variable_groups/other')).status, 404)
  const developer = await harness.user(admin, 'dev', {})
  t.equal((await developer('PATCH', '/v3/environment_variable_groups/running', { var: {} })).status, 403)
  t.equal((await developer('GET', '/v3/environment_variable_groups/running')).status, 200)
})

test('an app that cannot be staged says why, in its build and its log', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  harness.diego.staging = new Error('NoAppDetectedError - An app was not successfully detected by any available buildpack')
  const app = (await admin('POST', '/v3/apps', { name: 'web', relationships: { space: to(space) } })).body.guid
  await t.rejects(harness.stage(admin, app), /NoAppDetectedError - An app was not successfully detected/)
  const lines = (await admin('GET', `${harness.logCache}/api/v1/read/${app}`)).body.envelopes.batch
  t.match(
    lines.map((line: any) => [line.tags.source_type, line.log.type, Buffer.from(line.log.payload, 'base64').toString()]),
    [
      ['STG', 'OUT', '-----> Nodejs Buildpack'],
      ['STG', 'ERR', /NoAppDetectedError/],
    ],
  )
  t.match(await admin('POST', `/v3/apps/${app}/actions/start`), {
    status: 422,
    body: { errors: [{ detail: 'Assign a droplet before starting this app.' }] },
  })
  t.equal(harness.foundation.store.droplets.size, 0)
})

test('bits are taken once, whole, and only as a zip', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = (await admin('POST', '/v3/apps', { name: 'web', relationships: { space: to(space) } })).body.guid
  const create = async () => (await admin('POST', '/v3/packages', { type: 'bits', relationships: { app: to(app) } })).body.guid
  const upload = (guid: string, field: string, bits: Buffer) => {
    const form = new FormData()
    form.set(field, new Blob([new Uint8Array(bits)]), 'app.zip')
    return admin('POST', `/v3/packages/${guid}/upload`, form)
  }
  const guid = await create()
  t.match(await upload(guid, 'other', emptyZip), { status: 422 })
  t.match(await upload(guid, 'bits', Buffer.from('no zip at all')), { status: 400, body: { errors: [{ code: 150001 }] } })
  t.match(await admin('POST', `/v3/packages/${guid}/upload`, { bits: 'x' }), { status: 422 })
  t.match(await admin('POST', '/v3/builds', { package: { guid } }), {
    status: 422,
    body: { errors: [{ detail: 'Cannot stage package whose state is not ready.' }] },
  })
  t.match(await upload(guid, 'bits', emptyZip), { status: 200, body: { state: 'READY' } })
  t.match(await upload(guid, 'bits', emptyZip), {
    status: 422,
    body: { errors: [{ detail: 'Package may be uploaded only once. Create a new package to upload bits.' }] },
  })
  t.same((await admin('POST', '/v3/resource_matches', { resources: [{ checksum: { value: 'x' }, size_in_bytes: 1 }] })).body, {
    resources: [],
  })
})

test('a rolling deployment brings up a second web process and takes the old one away as instances run', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  await admin('POST', `/v3/apps/${app}/processes/web/actions/scale`, { instances: 2 })
  harness.diego.hold = true
  const made = await admin('POST', '/v3/deployments', { relationships: { app: to(app) } })
  t.match(
    made,
    {
      status: 201,
      body: {
        status: { value: 'ACTIVE', reason: 'DEPLOYING' },
        strategy: 'rolling',
        new_processes: [{ type: 'web' }],
        revision: { version: 1 },
      },
    },
    'cf-java-client cannot read a revision without its version',
  )
  t.same(
    [...harness.diego.desired.values()].map(({ instances }) => instances).toSorted((a, b) => a - b),
    [1, 2],
    'one more instance, none less',
  )
  t.match(await admin('POST', `/v3/apps/${app}/processes/web/actions/scale`, { instances: 5 }), {
    status: 422,
    body: { errors: [{ detail: 'Cannot scale this process while a deployment is in flight.' }] },
  })
  t.equal((await admin('GET', `/v3/deployments?app_guids=${app}&status_values=ACTIVE`)).body.pagination.total_results, 1)

  harness.diego.hold = false
  const fresh = made.body.new_processes[0].guid
  for (const guid of harness.diego.desired.keys()) harness.diego.tell(guid)
  await until(
    () => admin('GET', `/v3/deployments/${made.body.guid}`),
    ({ body }) => body.status.reason === 'DEPLOYED',
  )
  t.match([...harness.diego.desired.values()], [{ cfProcessGuid: fresh, instances: 2 }])
  t.match((await admin('GET', `/v3/apps/${app}/processes`)).body.resources, [{ guid: fresh, type: 'web' }])
})

test('a deployment that is cancelled leaves what ran before', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  const before = [...harness.diego.desired.keys()]
  const droplet = (await admin('GET', `/v3/apps/${app}`)).body.relationships.current_droplet.data.guid
  harness.diego.hold = true
  const next = harness.foundation.store.transaction(() => {
    const { guid: _, ...copy } = harness.foundation.store.droplets.get(droplet)!
    return harness.foundation.store.droplets.insert(copy).guid
  })
  const { body } = await admin('POST', '/v3/deployments', { relationships: { app: to(app) }, droplet: { guid: next } })
  t.equal(harness.diego.desired.size, 2)
  t.equal((await admin('POST', `/v3/deployments/${body.guid}/actions/cancel`)).status, 200)
  t.same([...harness.diego.desired.keys()], before)
  t.match((await admin('GET', `/v3/deployments/${body.guid}`)).body.status, { value: 'FINALIZED', reason: 'CANCELED' })
  t.equal((await admin('GET', `/v3/apps/${app}`)).body.relationships.current_droplet.data.guid, droplet)
  t.match(await admin('POST', '/v3/deployments', { relationships: { app: to(app) }, strategy: 'canary' }), { status: 422 })
})

test('an app keeps running over a restart of the foundation', async (t) => {
  const first = await Harness.start(t)
  const admin = await first.login()
  const { space } = await first.target(admin)
  const app = await first.push(admin, space, 'web')
  const { guid } = await first.route(admin, space, { host: 'web' })
  await admin('POST', `/v3/routes/${guid}/destinations`, { destinations: [{ app: { guid: app } }] })
  const [desired] = first.diego.desired.values()
  await first.stop()

  const second = await Harness.start(t, { data: first.data })
  t.match(
    [...second.diego.desired.values()],
    [{ processGuid: desired!.processGuid, routes: [{ hostname: 'web.apps.test' }], command: 'npm start' }],
  )
  t.equal((await second.session(admin.token)('GET', `/v3/apps/${app}`)).status, 200, 'tokens stay good')
})
