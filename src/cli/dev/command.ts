import { Command, InvalidArgumentError } from 'commander'
import { resolve } from 'node:path'
import type { Apps } from './apps.ts'
import { inSpace } from './target.ts'

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

  /** Runs `work` in the space, with the app called `name`. */
  const onApp = (name: string, work: (apps: Apps, app: Awaited<ReturnType<Apps['get']>>) => Promise<void>): Promise<void> =>
    inSpace(dev.opts<DevOptions>(), async (apps) => work(apps, await apps.get(name)))

  dev
    .command('push')
    .description('Upload, stage and start an app; an existing one is replaced')
    .argument('<app>')
    .option('-p, --path <dir>', "the app's folder", '.')
    .option('-i, --instances <n>', 'number of instances', wholeNumber)
    .option('-c, --command <command>', 'start command, in place of the detected one')
    .option('-e, --env <name=value...>', 'environment variables', pairs, {})
    .option('-l, --label <name=value...>', 'labels, such as version=v2', pairs, {})
    .option('-r, --route <host.domain/path...>', 'routes (default: APP on the apps domain)')
    .option('--no-route', 'no route at all')
    .addHelpText('after', '\nExamples:\n  meshctl dev push hello --path examples/hello\n  meshctl dev push shop -p shop -i 2 -l app=shop version=v2 -r shop.mesh.apps.localhost')
    .action(async (name: string, { path, route, env, label, ...options }: { path: string; route?: string[] | false; env: Record<string, string>; label: Record<string, string>; instances?: number; command?: string }) => {
      await inSpace(dev.opts<DevOptions>(), async (apps) => {
        const say = (step: string): void => void process.stderr.write(`${name}: ${step} …\n`)
        const app = await apps.push({ name, path: resolve(path), environment: env, labels: label, ...(route === false ? { noRoute: true } : route && { routes: route }), ...options }, say)
        const { routes, running } = await apps.summary(app)
        process.stdout.write(`${name}: ${running} running${routes.length ? `, at ${routes.join(', ')}` : ''}\n`)
      })
    })

  dev
    .command('apps')
    .description('List the apps with their instances and routes')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) =>
      inSpace(dev.opts<DevOptions>(), async (apps) => {
        const rows = await Promise.all((await apps.list()).map(async (app) => ({ name: app.name ?? '', state: app.state ?? '', ...(await apps.summary(app)) })))
        if (json) return void process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`)
        if (!rows.length) return void process.stdout.write('No apps. Push one: meshctl dev push NAME --path FOLDER\n')
        for (const { name, state, running, wanted, routes } of rows) process.stdout.write(`${name.padEnd(24)} ${state.toLowerCase().padEnd(8)} ${running}/${wanted}  ${routes.join(', ')}\n`)
      }),
    )

  dev
    .command('scale')
    .description('Set the number of instances')
    .argument('<app>')
    .argument('<instances>', 'how many', wholeNumber)
    .action((name: string, instances: number) => onApp(name, (apps, app) => apps.scale(app, instances)))

  dev
    .command('map')
    .description('Map a route to an app')
    .argument('<app>')
    .argument('<route>', 'host.domain or host.domain/path')
    .action((name: string, route: string) => onApp(name, (apps, app) => apps.map(app, route)))

  dev
    .command('unmap')
    .description('Take a route from an app')
    .argument('<app>')
    .argument('<route>', 'host.domain or host.domain/path')
    .action((name: string, route: string) => onApp(name, (apps, app) => apps.unmap(app, route)))

  dev
    .command('stop')
    .description('Stop an app')
    .argument('<app>')
    .action((name: string) => onApp(name, (apps, app) => apps.stop(app)))

  dev
    .command('start')
    .description('Start an app and wait for its instances')
    .argument('<app>')
    .action((name: string) => onApp(name, (apps, app) => apps.start(app)))

  dev
    .command('delete')
    .description('Delete an app and the routes that only it has')
    .argument('<app>')
    .action((name: string) => onApp(name, (apps, app) => apps.delete(app)))

  dev
    .command('logs')
    .description('Show the recent log lines of an app')
    .argument('<app>')
    .action((name: string) =>
      inSpace(dev.opts<DevOptions>(), async (apps, cc) => {
        const lines = await cc.logs((await apps.get(name)).guid)
        for (const { time, source, instance, stream, message } of lines) process.stdout.write(`${time} [${source}/${instance}] ${stream} ${message}\n`)
      }),
    )

  return dev
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
