import { accessSync, constants, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { messageOf, Problem, problem } from '../common/problem.ts'
import { version } from '../common/version.ts'
import { configure } from './configuration.ts'
import { clearLeftovers, endContainers, removePids, writePids } from './leftovers.ts'
import { defaultData, readOptions, type StartOptions } from './options.ts'
import { Ports } from './ports.ts'
import { answers, populate } from './populate.ts'
import { paint, step } from './progress.ts'
import { removeReady, writeReady, type Ready } from './ready.ts'
import { SupervisedProgram } from './supervisor.ts'

const NodeTooOld = problem(
  'MESH_NODE_TOO_OLD',
  500,
  (found: string) => `mesh-release runs on Node 24 or newer; this is ${found}. Start it with npm start, which brings its own.`,
)
const FolderUnusable = problem(
  'MESH_FOLDER_UNUSABLE',
  500,
  (folder: string, why: string) => `Cannot use the data folder ${folder}: ${why}. Choose another with --data.`,
)
const EnvoyMissing = problem('MESH_ENVOY_MISSING', 500, () => 'Envoy is not here yet. Get it with `npm run envoy`, then start again.')

/** Brings everything up, tells where it is, and waits for Ctrl-C. */
async function start(options: StartOptions): Promise<void> {
  if (Number(process.versions.node.split('.')[0]) < 24) throw NodeTooOld(process.version)
  if (options.engine === 'envoy' && !hasEnvoy()) throw EnvoyMissing()
  process.stdout.write(`mesh-release ${version}: an embedded Cloud Foundry and its mesh, in ${options.data}\n`)
  await prepareFolder(options)

  const { programs, ready } = await step('certificates and configuration', () =>
    configure(options, new Ports(join(options.data, 'ports.json')), version),
  )
  const running: SupervisedProgram[] = []
  const pids = (): Ready['pids'] =>
    Object.fromEntries([['start', process.pid], ...running.map(({ program, pid }) => [program.name, pid ?? 0])])
  let up = false
  const tellPids = (): void => {
    writePids(options.data, pids())
    if (up) writeReady(options.data, { ...ready, pids: pids() })
  }
  for (const program of programs) running.push(new SupervisedProgram(program, tellPids))

  const stop = stopOnce(options, running)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop().then(() => process.exit(0)))
  try {
    for (const program of running) program.start()
    for (const program of running) await step(program.program.name, () => program.ready())
    await step(options.sample ? 'space dev, sample app hello' : 'space dev', () => welcome(ready, options))
    up = true
    tellPids()
    tell(ready, options)
  } catch (error) {
    await stop()
    throw error
  }
}

async function welcome(
  { urls, credentials, organization, space, domains, routers }: Omit<Ready, 'pids'>,
  { sample, mirror }: StartOptions,
): Promise<void> {
  const started = await populate({ api: urls.cloudController, ...credentials }, { organization, space, sample })
  if (started && mirror) for (const { http } of routers) await answers(`http://127.0.0.1:${http}/`, `hello.${domains.mesh}`)
}

function hasEnvoy(): boolean {
  const folders = [resolve(import.meta.dirname, '../../vendor'), ...(process.env['PATH'] ?? '').split(':')]
  return folders.some((folder) => existsSync(join(folder, 'envoy')))
}

async function prepareFolder({ data, fresh }: StartOptions): Promise<void> {
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 })
    accessSync(data, constants.W_OK | constants.X_OK)
    clearLeftovers(data)
    if (fresh) {
      await endContainers(data)
      rmSync(data, { recursive: true })
    }
    mkdirSync(data, { recursive: true, mode: 0o700 })
    removeReady(data)
  } catch (error) {
    throw error instanceof Problem ? error : FolderUnusable(data, messageOf(error))
  }
}

/** Stops the programs in reverse order, once, however often it is asked to. */
function stopOnce(options: StartOptions, running: SupervisedProgram[]): () => Promise<void> {
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    process.stdout.write('\nStopping …\n')
    removeReady(options.data)
    for (const program of running.toReversed()) await program.stop()
    await endContainers(options.data)
    removePids(options.data)
    process.stdout.write(`Stopped. State is kept in ${options.data}.\n`)
  }
  return () => (stopped ??= stop())
}

function tell({ urls, credentials, domains, routers, caFile, organization, space }: Omit<Ready, 'pids'>, options: StartOptions): void {
  const [router] = routers
  const meshctl = options.data === defaultData ? 'npx meshctl' : `MESH_DATA='${options.data}' npx meshctl`
  const lines: [string, string][] = [
    ['Cloud Controller', `${urls.cloudController}  (also ${urls.cloudControllerTls})`],
    ['user, password', `${credentials.user}  ${credentials.password}`],
    ['copilot', `${urls.copilot}  (API at ${urls.copilot}/docs)`],
    ['mesh domain', domains.mesh],
    ...routers.map(({ name, http, https }): [string, string] => [name, `http ${http}, https ${https}`]),
    ['CA file', caFile],
    ['everything else', join(options.data, 'ready.json')],
  ]
  process.stdout.write(`\n${paint('bold', 'Ready.')}\n`)
  for (const [name, value] of lines) process.stdout.write(`  ${name.padEnd(17)} ${value}\n`)
  process.stdout.write(`
Try:
  ${options.sample ? `curl http://hello.${domains.mesh}:${router?.http}/` : `${meshctl} dev push myapp --path FOLDER`}
  cf api ${urls.cloudController} && cf auth ${credentials.user} '${credentials.password}' && cf target -o ${organization} -s ${space}
  ${meshctl} routes

Ctrl-C stops everything; state survives.
`)
}

// Where its terminal is gone, there is nobody to tell, and still everything to stop.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

try {
  await start(readOptions(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${paint('red', messageOf(error))}\n`)
  if (!(error instanceof Problem)) process.stderr.write(`${(error as Error).stack}\n`)
  process.exit(1)
}
