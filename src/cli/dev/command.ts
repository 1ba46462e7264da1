import { Command, InvalidArgumentError, Option } from 'commander'
import { resolve } from 'node:path'
import { NotFound, type Apps } from './apps.ts'
import { pushManifest, readManifest } from './manifest.ts'
import type { V3Resource } from './session.ts'
import { inSpace } from './target.ts'

interface PushFlags {
  path: string
  route?: string[] | false
  env: Record<string, string>
  label: Record<string, string>
  instances?: number
  command?: string
  manifest?: string
  var: Record<string, string>
}

interface DevOptions {
  data?: string
  space?: string
}

/** `meshctl dev`: the everyday commands of `cf` against the Cloud Foundry of `npm start`, for who has no cf CLI. */
export function devCommand(): Command {
  const dev = new Command('dev')
    .description('Push and manage apps on the Cloud Foundry of npm start, without the cf CLI')
    .option('--data <dir>', 'data folder of npm start (default: MESH_DATA or .mesh)')
    .option('--space <name>', "space (default: npm start's)")

  /** Runs `work` in the space, with the app called `name`, and says what is `done`. */
  const onApp = (name: string, done: string, work: (apps: Apps, app: V3Resource) => Promise<void>): Promise<void> =>
    inSpace(dev.opts<DevOptions>(), async (apps) => {
      await work(apps, await apps.get(name))
      process.stdout.write(`app/${name} ${done}\n`)
    })

  const push = dev
    .command('push')
    .description('Upload, stage and start an app, or those of a manifest; existing ones are replaced')
    .argument('[app]', 'its name; with a manifest, the only one of it that is pushed')
    .option('-p, --path <dir>', "the app's folder", '.')
    .option('-i, --instances <n>', 'number of instances', wholeNumber)
    .option('-c, --command <command>', 'start command, in place of the detected one')
    .option('-e, --env <name=value...>', 'environment variables', pairs, {})
    .option('-l, --label <name=value...>', 'labels, such as version=v2', pairs, {})
    .option('-r, --route <host.domain/path...>', 'routes (default: APP on the apps domain)')
    .option('--no-route', 'no route at all')
    .addOption(
      new Option('-f, --manifest <file>', 'push the apps of a manifest').conflicts([
        'path',
        'instances',
        'command',
        'env',
        'label',
        'route',
      ]),
    )
    .option('--var <name=value...>', 'what ((NAME)) in the manifest stands for', pairs, {})
    .addHelpText(
      'after',
      '\nExamples:\n  meshctl dev push hello --path examples/hello\n  meshctl dev push shop -p shop -i 2 -l app=shop version=v2 -r shop.mesh.apps.localhost\n  meshctl dev push -f examples/bookinfo/manifest.yml --var mesh-domain=mesh.apps.localhost',
    )
    .action(async (name: string | undefined, flags: PushFlags) => {
      if (name === undefined && flags.manifest === undefined) push.error('error: name an app, or a manifest with --manifest')
      const say = (app: string, step: string): void => void process.stderr.write(`${app}: ${step} …\n`)
      await inSpace(dev.opts<DevOptions>(), async (apps) => {
        for (const app of await pushed(apps, name, flags, say)) {
          const { routes, running } = await apps.summary(app)
          process.stdout.write(`${app.name}: ${running} running${routes.length ? `, at ${routes.join(', ')}` : ''}\n`)
        }
      })
    })

  dev
    .command('apps')
    .description('List the apps with their instances and routes')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) =>
      inSpace(dev.opts<DevOptions>(), async (apps) => {
        const rows = await Promise.all(
          (await apps.list()).map(async (app) => ({ name: app.name ?? '', state: app.state ?? '', ...(await apps.summary(app)) })),
        )
        if (json) return void process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
        if (!rows.length) return void process.stdout.write('No apps. Push one: meshctl dev push NAME --path FOLDER\n')
        for (const { name, state, running, wanted, routes } of rows)
          process.stdout.write(`${name.padEnd(24)} ${state.toLowerCase().padEnd(8)} ${running}/${wanted}  ${routes.join(', ')}\n`)
      }),
    )

  dev
    .command('scale')
    .description('Set the number of instances')
    .argument('<app>')
    .argument('<instances>', 'how many', wholeNumber)
    .action((name: string, instances: number) =>
      onApp(name, `scaled to ${instances} ${instances === 1 ? 'instance' : 'instances'}`, (apps, app) => apps.scale(app, instances)),
    )

  dev
    .command('map')
    .description('Map a route to an app')
    .argument('<app>')
    .argument('<route>', 'host.domain or host.domain/path')
    .action((name: string, route: string) => onApp(name, `mapped to ${route}`, (apps, app) => apps.map(app, route)))

  dev
    .command('unmap')
    .description('Take a route from an app')
    .argument('<app>')
    .argument('<route>', 'host.domain or host.domain/path')
    .action((name: string, route: string) => onApp(name, `unmapped from ${route}`, (apps, app) => apps.unmap(app, route)))

  dev
    .command('stop')
    .description('Stop an app')
    .argument('<app>')
    .action((name: string) => onApp(name, 'stopped', (apps, app) => apps.stop(app)))

  dev
    .command('start')
    .description('Start an app and wait for its instances')
    .argument('<app>')
    .action((name: string) => onApp(name, 'started', (apps, app) => apps.start(app)))

  dev
    .command('delete')
    .description('Delete an app and the routes that only it has')
    .argument('<app>')
    .action((name: string) => onApp(name, 'deleted', (apps, app) => apps.delete(app)))

  dev
    .command('logs')
    .description('Show the recent log lines of an app')
    .argument('<app>')
    .action((name: string) =>
      inSpace(dev.opts<DevOptions>(), async (apps, cc) => {
        const lines = await cc.logs((await apps.get(name)).guid)
        for (const { time, source, instance, stream, message } of lines)
          process.stdout.write(`${time} [${source}/${instance}] ${stream} ${message}\n`)
      }),
    )

  return dev
}

async function pushed(
  apps: Apps,
  name: string | undefined,
  flags: PushFlags,
  say: (app: string, step: string) => void,
): Promise<V3Resource[]> {
  const { manifest: file, var: variables, path, route, env, label, instances, command } = flags
  if (file === undefined) {
    const routes = route === false ? { noRoute: true } : route && { routes: route }
    return [
      await apps.push({ name: name!, path: resolve(path), environment: env, labels: label, instances, command, ...routes }, (step) =>
        say(name!, step),
      ),
    ]
  }
  const manifest = readManifest(resolve(file), variables)
  const applications = manifest.applications.filter((app) => name === undefined || app.name === name)
  if (!applications.length) throw NotFound(`application of ${file} called`, String(name))
  return pushManifest(apps, { ...manifest, applications }, say)
}

function wholeNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

function pairs(text: string, known: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Give NAME=VALUE.')
  return { ...known, [text.slice(0, at)]: text.slice(at + 1) }
}
