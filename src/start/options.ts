import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { logLevels, type LogLevel } from '../common/log.ts'
import { version } from '../common/version.ts'

/** The data folder where none is named; meshctl looks there by itself. */
export const defaultData = resolve('.mesh')

export interface StartOptions {
  data: string
  fresh: boolean
  engine: 'embedded' | 'envoy'
  routers: number
  httpPort: number
  httpsPort: number
  ccPort: number
  appsDomain: string
  meshDomain: string
  mirror: boolean
  sample: boolean
  logLevel: LogLevel
}

/** Reads `npm start`'s arguments; prints help or a usage error and ends the process where that is all there is to do. */
export function readOptions(argv: string[]): StartOptions {
  const command = new Command('npm start --')
    .description('Brings up an embedded Cloud Foundry and the mesh on this machine, for development and demonstrations.')
    .version(version)
    .option('--data <dir>', 'folder for state, certificates, configuration and logs', (folder: string) => resolve(folder), defaultData)
    .option('--fresh', 'forget what the data folder holds and begin anew', false)
    .addOption(
      new Option('--engine <engine>', 'what proxies the traffic; envoy needs its binary: npm run envoy')
        .choices(['embedded', 'envoy'])
        .default('embedded'),
    )
    .option('--routers <n>', 'number of routers; each further one has ports of its own, see ready.json', routerCount, 1)
    .option('--http-port <port>', "the router's HTTP port; 0 takes a free one", port, 8080)
    .option('--https-port <port>', "the router's HTTPS port", port, 8443)
    .option('--cc-port <port>', 'the port of the Cloud Controller (HTTP)', port, 8090)
    .option('--apps-domain <domain>', 'domain of plain pushed apps', domain, 'apps.localhost')
    .option('--mesh-domain <domain>', 'domain that the mesh answers (default: mesh.APPS-DOMAIN)', domain)
    .option('--no-mirror', 'do not answer HOST.APPS-DOMAIN also at HOST.MESH-DOMAIN')
    .option('--no-sample', 'do not push the sample app')
    .addOption(new Option('--log-level <level>', 'of the log files').choices(logLevels).default('info'))
    .addHelpText(
      'after',
      `
Examples:
  npm start                                  everything, with the embedded engine
  npm start -- --engine envoy                the same through Envoy (first: npm run envoy)
  npm start -- --data /tmp/cf --http-port 0  a second one beside it, on free ports
  npm start -- --fresh --no-sample           an empty Cloud Foundry`,
    )
  const options = command.parse(argv, { from: 'user' }).opts<StartOptions>()
  return { ...options, meshDomain: options.meshDomain ?? `mesh.${options.appsDomain}` }
}

function wholeNumber(text: string, least: number, most: number): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < least || number > most)
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
  return number
}

const port = (text: string): number => wholeNumber(text, 0, 65535)
const routerCount = (text: string): number => wholeNumber(text, 1, 10)

function domain(text: string): string {
  const name = text.toLowerCase()
  if (!/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]+$/.test(name))
    throw new InvalidArgumentError('Give a domain name, such as apps.example.com.')
  return name
}
