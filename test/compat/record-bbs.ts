// Records a real BBS, written by cfdot and, as a cell would, by its lifecycle calls, read by our client:
//   BBS_URL=https://127.0.0.1:8889 BBS_CERTIFICATE=… BBS_KEY=… BBS_CA=… BBS_VERSION=… LOCKET=127.0.0.1:8891 CFDOT=… node
// test/compat/record-bbs.ts The keypair is shown to BBS as a client's and to clients as BBS's. Rewrites test/compat/recordings/bbs.ndjson,
// which bbs.test.ts replays.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import {
  ClaimActualLRPRequestSchema,
  CrashActualLRPRequestSchema,
  RemoveActualLRPRequestSchema,
  StartActualLRPRequestSchema,
} from '../../src/common/proto/gen/bbs_pb.js'
import { Bbs } from '../../src/platform/bbs/client.ts'
import { TlsRecorder, type RawExchange } from '../support/tls-recorder.ts'
import { eventually } from '../support/wait.ts'

const variable = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}
const serverName = 'bbs.service.cf.internal'
const files = { certificate: variable('BBS_CERTIFICATE'), key: variable('BBS_KEY'), ca: variable('BBS_CA') }
const tls = { cert: readFileSync(files.certificate), key: readFileSync(files.key), ca: readFileSync(files.ca) }
const exchanges: { step: string; exchange: RawExchange }[] = []
let step = ''
const recorder = await TlsRecorder.start({
  target: variable('BBS_URL'),
  serverName,
  tls,
  tell: (exchange) => exchanges.push({ step, exchange }),
})
const work = mkdtempSync(join(tmpdir(), 'bbs-'))

async function cfdot(...args: string[]): Promise<void> {
  const trust = ['--caCertFile', files.ca, '--clientCertFile', files.certificate, '--clientKeyFile', files.key]
  await promisify(execFile)(variable('CFDOT'), [...args, ...trust], { env: { ...process.env, BBS_URL: recorder.url } })
}

async function write<Schema extends DescMessage>(path: string, schema: Schema, init: MessageInitShape<Schema>): Promise<void> {
  const { hostname, port } = new URL(recorder.url)
  const call = request({
    hostname,
    port,
    path,
    method: 'POST',
    agent: false,
    servername: serverName,
    ...tls,
    headers: { 'content-type': 'application/x-protobuf' },
  })
  call.end(toBinary(schema, create(schema, init)))
  const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) =>
    call.once('response', resolve).once('error', reject),
  )
  const bytes = await buffer(answer)
  if (answer.statusCode !== 200 || bytes.length) throw new Error(`${path}: ${answer.statusCode} ${bytes.toString('latin1')}`)
}

const domain = 'mesh-compat'
const processGuid = '5c5b4a1e-0000-4000-8000-000000000001-5c5b4a1e-0000-4000-8000-00000000000a'
const key = (index: number) => ({ processGuid, index, domain })
const held = (letter: string) => ({ instanceGuid: `instance-${letter}-0000-4000-8000-000000000000`, cellId: 'cell-1' })
const net = (port: number) => ({
  address: '10.0.16.5',
  instanceAddress: '10.255.1.2',
  ports: [{ containerPort: 8080, hostPort: port, containerTlsProxyPort: 61001, hostTlsProxyPort: port + 1 }],
})
const routes = (...hostnames: string[]) => ({
  'cf-router': [
    {
      hostnames,
      port: 8080,
      route_service_url: null,
      isolation_segment: null,
      protocol: 'http1',
      options: { loadbalancing: 'least-connection' },
    },
  ],
})
const desired = {
  process_guid: processGuid,
  domain,
  rootfs: 'preloaded:cflinuxfs4',
  instances: 2,
  memory_mb: 64,
  disk_mb: 64,
  ports: [8080],
  log_guid: 'app-guid',
  annotation: '1',
  metrics_guid: 'app-guid',
  metric_tags: { source_id: { static: 'app-guid' }, index: { dynamic: 'INDEX' } },
  action: { run: { path: '/bin/true', user: 'vcap' } },
  routes: routes('recorded.mesh.apps.test', 'recorded.mesh.apps.test/path'),
}
const file = (name: string, content: object): string => {
  writeFileSync(join(work, name), JSON.stringify(content))
  return `@${join(work, name)}`
}
const start = (index: number, letter: string, port: number, routable = true) =>
  write('/v1/actual_lrps/start.r1', StartActualLRPRequestSchema, {
    actualLrpKey: key(index),
    actualLrpInstanceKey: held(letter),
    actualLrpNetInfo: net(port),
    metricTags: {},
    routable,
    availabilityZone: 'z1',
  })

/** Without a cell that is there, BBS drops an instance as soon as it is not wanted any more. */
const cell = {
  cell_id: 'cell-1',
  rep_address: 'http://127.0.0.1:1',
  rep_url: 'https://127.0.0.1:1',
  zone: 'z1',
  capacity: { memory_mb: 1, disk_mb: 1, containers: 1 },
}
const bbs = new Bbs({ addresses: [recorder.url], tls: files, serverName })
const abort = new AbortController()
let events = 0
const steps: [name: string, expected: number, act: () => Promise<void>][] = [
  ['domain', 0, () => cfdot('set-domain', domain, '--ttl', '30s')],
  ['desire', 3, () => cfdot('create-desired-lrp', file('desired.json', desired))],
  [
    'claim',
    1,
    () => write('/v1/actual_lrps/claim', ClaimActualLRPRequestSchema, { processGuid, index: 0, actualLrpInstanceKey: held('a') }),
  ],
  ['start', 1, () => start(0, 'a', 61_012)],
  ['start another, not routable yet', 1, () => start(1, 'b', 61_014, false)],
  ['routable', 1, () => start(1, 'b', 61_014)],
  ['update routes', 1, () => cfdot('update-desired-lrp', processGuid, file('routes.json', { routes: routes('other.mesh.apps.test') }))],
  ['scale up', 2, () => cfdot('update-desired-lrp', processGuid, file('up.json', { instances: 3 }))],
  [
    'crash',
    2,
    () =>
      write('/v1/actual_lrps/crash', CrashActualLRPRequestSchema, {
        actualLrpKey: key(1),
        actualLrpInstanceKey: held('b'),
        errorMessage: 'exit status 1',
      }),
  ],
  ['start again', 1, () => start(1, 'c', 61_016)],
  ['scale down', 2, () => cfdot('update-desired-lrp', processGuid, file('down.json', { instances: 1 }))],
  [
    'remove',
    1,
    () => write('/v1/actual_lrps/remove', RemoveActualLRPRequestSchema, { processGuid, index: 1, actualLrpInstanceKey: held('c') }),
  ],
  ['delete', 1, () => cfdot('delete-desired-lrp', processGuid)],
  [
    'remove the last',
    1,
    () => write('/v1/actual_lrps/remove', RemoveActualLRPRequestSchema, { processGuid, index: 0, actualLrpInstanceKey: held('a') }),
  ],
]

/** What our client reads whole. */
async function read(): Promise<void> {
  await bbs.freshDomains()
  for await (const _ of bbs.desiredLrps());
  for await (const _ of bbs.actualLrps());
}

try {
  await cfdot(
    'claim-presence',
    '--locketAPILocation',
    variable('LOCKET'),
    '--key',
    'cell-1',
    '--owner',
    'recorder',
    '--ttl',
    '120',
    '--value',
    JSON.stringify(cell),
  )
  step = 'open'
  let open = false
  const stream = bbs.follow({ signal: abort.signal, onOpen: () => (open = true), onEvent: () => events++ }).catch(() => {})
  await eventually(() => open)
  await read()
  for (const [name, expected, act] of steps) {
    step = name
    const before = events
    await act().catch((error: Error) => console.log(`${name}: ${error.message}`))
    await eventually(() => events >= before + expected, 3_000).catch(() =>
      console.log(`${name}: ${events - before} events, not ${expected}`),
    )
    await read()
    console.log(name, events - before)
  }
  abort.abort(new Error('recorded'))
  await stream
} finally {
  await bbs.close()
  await recorder.stop()
  rmSync(work, { recursive: true, force: true })
}
const lines = [
  {
    program: 'BBS',
    version: variable('BBS_VERSION'),
    command: 'cfdot and lifecycle calls, see test/compat/record-bbs.ts',
    date: new Date().toISOString().slice(0, 10),
  },
  ...exchanges.map(({ step, exchange: { path, request, answer } }) => ({
    step,
    path,
    request: request.toString('base64'),
    answer: answer.map((bytes) => bytes.toString('base64')),
  })),
]
mkdirSync(join(import.meta.dirname, 'recordings'), { recursive: true })
const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
writeFileSync(join(import.meta.dirname, 'recordings/bbs.ndjson'), text)
console.log(`${exchanges.length} exchanges, ${text.length} bytes`)
