import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Ajv, type ErrorObject } from 'ajv'
import { Type, type Static, type TSchema } from 'typebox'
import { parseDocument } from 'yaml'
import { certificateFaults } from './certificates.ts'
import { messageOf, problem } from './problem.ts'
import { logLevels } from './log.ts'

export const ConfigInvalid = problem(
  'MESH_CONFIG_INVALID',
  422,
  (file: string, faults: string[]) => `${file}:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
)

/** Checks `value` against `schema`, filling in defaults. Throws `ConfigInvalid` with every fault and its path. */
export function validateConfig<Schema extends TSchema>(schema: Schema, value: unknown, file: string): Static<Schema> {
  const validate = new Ajv({ allErrors: true, useDefaults: true, strict: false, discriminator: true }).compile(schema)
  const config = value ?? {}
  if (!validate(config)) throw ConfigInvalid(file, (validate.errors ?? []).map(describeFault))
  return config as Static<Schema>
}

/** One validation fault as a sentence that begins with the field's path, as `bbs.url: must be string`. */
export function describeFault({ instancePath, keyword, params, message }: ErrorObject): string {
  const path = fieldPath(instancePath)
  const at = (name: string): string => (path ? `${path}.${name}` : name)
  if (keyword === 'required') return `${at(params['missingProperty'] as string)}: is required`
  if (keyword === 'additionalProperties') return `${at(params['additionalProperty'] as string)}: is not a known field`
  if (keyword === 'enum') return `${path}: must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`
  return `${path || 'the document'}: ${message}`
}

/** A JSON pointer as people write a path: `/routes/0/host` → `routes[0].host`. */
function fieldPath(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, position) => (/^\d+$/.test(part) ? `[${part}]` : `${position ? '.' : ''}${part}`))
    .join('')
}

/** What a schema cannot say of a configuration: its faults, each a sentence that begins with the field's path. */
export type ConfigCheck<Schema extends TSchema> = (config: Static<Schema>) => string[]

/** Reads and checks a YAML configuration file. */
export function readConfig<Schema extends TSchema>(schema: Schema, file: string, check: ConfigCheck<Schema> = () => []): Static<Schema> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw ConfigInvalid(file, [messageOf(error)])
  }
  const document = parseDocument(text, { prettyErrors: true })
  if (document.errors.length) throw ConfigInvalid(file, document.errors.map(messageOf))
  const config = validateConfig(schema, document.toJS(), file)
  const faults = check(config)
  if (faults.length) throw ConfigInvalid(file, faults)
  return config
}

/**
 * The configuration of a program started as `PROGRAM --config FILE`. Prints help for `--help`; a wrong argument ends the
 * process with exit code 2, a wrong configuration with 1, each after a sentence that says what to change.
 */
export function loadConfig<Schema extends TSchema>(
  program: string,
  schema: Schema,
  argv = process.argv.slice(2),
  check?: ConfigCheck<Schema>,
): Static<Schema> {
  const usage = `Usage: ${program} --config FILE [--check]\n\n  --config FILE  the YAML configuration; docs/configuration.md lists its fields\n  --check        only check the configuration and the certificates that it names\n\nExample:\n  ${program} --config ${program}.yml\n`
  let args: { config?: string; check?: boolean; help?: boolean }
  try {
    args = parseArgs({
      args: argv,
      options: { config: { type: 'string' }, check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    }).values
  } catch (error) {
    process.stderr.write(`${program}: ${messageOf(error)}\n${usage}`)
    process.exit(2)
  }
  if (args.help) {
    process.stdout.write(usage)
    process.exit(0)
  }
  if (!args.config) {
    process.stderr.write(`${program}: --config is missing\n${usage}`)
    process.exit(2)
  }
  try {
    const config = readConfig(schema, args.config, check)
    if (!args.check) return config
    const faults = certificateFaults(config)
    if (faults.length) throw ConfigInvalid(args.config, faults)
    process.exit(0)
  } catch (error) {
    process.stderr.write(`${program}: ${messageOf(error)}\n`)
    process.exit(1)
  }
}

const closed = { additionalProperties: false } as const

/** An address to listen on. */
export const ListenConfig = (port?: number, host = '127.0.0.1') =>
  Type.Object(
    {
      host: Type.String({ default: host, description: 'Address to bind' }),
      port: Type.Integer({
        minimum: 0,
        maximum: 65535,
        ...(port === undefined ? {} : { default: port }),
        description: 'TCP port; 0 takes a free one',
      }),
    },
    { ...closed, ...(port === undefined ? {} : { default: {} }) },
  )

/** PEM files of one end of a mutual TLS connection. */
export const TlsConfig = Type.Object(
  {
    certificate: Type.String({ description: 'File with our certificate chain, PEM' }),
    key: Type.String({ description: 'File with our private key, PEM' }),
    ca: Type.String({ description: 'File with the CAs we accept the other end from, PEM' }),
  },
  { ...closed, description: 'Mutual TLS; the files are read again when they change' },
)
export type TlsConfig = Static<typeof TlsConfig>

export const LogConfig = Type.Object(
  { level: Type.Enum([...logLevels], { default: 'info', description: 'Least severe level that is logged' }) },
  { ...closed, default: {} },
)

/** Where a process serves `/health`, `/ready` and `/metrics`. */
export const HealthConfig = Type.Object({ listen: ListenConfig() }, closed)
