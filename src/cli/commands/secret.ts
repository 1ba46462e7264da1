import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { messageOf } from '../../common/problem.ts'
import { apiOf, each, examples, type Cli, type Register } from '../cli.ts'
import { FileUnreadable, Usage } from '../problems.ts'
import { namespaceOf, namespaceOption } from '../resources.ts'
import { count } from '../words.ts'

interface Secret {
  /** Its namespace as people call it. */
  space: string
  name: string
  version: string
  names: string[]
  expires: string
  author: string
  updatedAt: string
}

interface Outcome {
  outcome: string
  names?: string[]
  expires?: string
  warnings: { path: string; message: string }[]
}

const pathOf = (namespace: string, name: string): string => `/v1/secrets/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`

/** `secret set|list|delete`. */
export const secret: Register = (program, cli) => {
  const group = program.command('secret').summary('TLS keypairs that Gateways name as credentialName')
  setSecret(group, cli)
  listSecrets(group, cli)
  deleteSecret(group, cli)
  examples(group, [['secret set shop --cert shop.crt --key shop.key', 'then write credentialName: shop in a Gateway']])
}

function setSecret(group: Command, cli: Cli): void {
  const command = group
    .command('set')
    .argument('<name>', 'as Gateways name it')
    .summary('set or replace a secret; it is never shown again')
    .option('--cert <file>', "the server's certificate, followed by its chain, PEM")
    .option('--key <file>', 'its private key, PEM')
    .option('--ca <file>', "CAs that clients' certificates must come from, PEM; for MUTUAL")
    .option('--crl <file>', "which of the CAs' certificates are revoked, PEM")
    .option(...namespaceOption)
    .action(async (name: string, files: { cert?: string; key?: string; ca?: string; crl?: string }) => {
      if (!files.cert && !files.key && !files.ca) throw Usage('give --cert and --key, or --ca alone')
      const namespace = namespaceOf(command, cli.environment)
      const body = {
        certificate: read('--cert', files.cert),
        key: read('--key', files.key),
        ca: read('--ca', files.ca),
        crl: read('--crl', files.crl),
      }
      const answer = await apiOf(command, cli).put<Outcome>(pathOf(namespace, name), body)
      if (isJson(command)) return cli.out.json(answer)
      const { outcome, names = [], expires, warnings } = answer
      cli.out.write(
        `secret/${name} ${outcome}${names.length ? `: ${names.join(', ')}` : ''}${expires ? `, until ${expires.slice(0, 10)}` : ''}`,
      )
      for (const { path, message } of warnings) cli.err.write(`  warning: ${path}: ${message}`)
    })
  examples(command, [
    ['secret set shop --cert shop.crt --key shop.key', 'for mode SIMPLE'],
    ['secret set shop --cert shop.crt --key shop.key --ca clients.crt', 'for mode MUTUAL'],
    ['secret set shop --cert shop.crt --key shop.key -n mesh-system', "among the operator's own"],
  ])
}

function listSecrets(group: Command, cli: Cli): void {
  const command = group
    .command('list')
    .summary('secrets, their names and when they expire')
    .option(...namespaceOption)
    .option('-A, --all-namespaces', 'of all spaces that you may read')
    .action(async ({ allNamespaces }: { allNamespaces?: boolean }) => {
      const namespace = allNamespaces ? undefined : namespaceOf(command, cli.environment)
      const { items } = await apiOf(command, cli).get<{ items: Secret[] }>('/v1/secrets', { namespace })
      if (isJson(command)) return cli.out.json(items)
      if (!items.length) return cli.out.write('no secrets')
      cli.out.write(
        cli.out.table<Secret>(
          [
            { title: 'NAME', value: ({ name }) => name },
            { title: 'NAMES', value: ({ names }) => names.join(', ') },
            { title: 'EXPIRES', value: ({ expires }) => expiry(expires, cli) },
            { title: 'SET BY', value: ({ author }) => author },
            { title: 'SET', value: ({ updatedAt }) => updatedAt.slice(0, 10) },
            ...(allNamespaces ? [{ title: 'NAMESPACE', value: ({ space }: Secret) => space }] : []),
          ],
          items,
        ),
      )
    })
  examples(command, [
    ['secret list', 'those of the space'],
    ['secret list -A --json', 'all, for programs'],
  ])
}

function deleteSecret(group: Command, cli: Cli): void {
  const command = group
    .command('delete')
    .argument('<names...>')
    .summary('delete secrets')
    .option(...namespaceOption)
    .action(async (names: string[]) => {
      const namespace = namespaceOf(command, cli.environment)
      const api = apiOf(command, cli)
      await each(command, cli, names, {
        act: (name) => api.delete<Outcome>(pathOf(namespace, name)),
        show: ({ outcome }, name) => cli.out.write(`secret/${name} ${outcome}`),
      })
    })
  examples(command, [['secret delete shop', 'a Gateway that names it is Degraded, and its hosts have the certificate of the operator']])
}

const isJson = (command: Command): boolean => Boolean(command.optsWithGlobals<{ json?: boolean }>().json)

function expiry(expires: string, cli: Cli): string {
  const days = Math.floor((Date.parse(expires) - Date.now()) / 86_400_000)
  const date = expires.slice(0, 10)
  if (days < 0) return cli.out.style('red', `${date} (expired)`)
  return days < 30 ? cli.out.style('yellow', `${date} (in ${count(days, 'day')})`) : date
}

function read(option: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw FileUnreadable(option, file, messageOf(error))
  }
}
