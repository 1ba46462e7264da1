import { test } from 'tap'
import { clientCredentials } from '../../src/pilot/rules/client-credentials.ts'
import { serverTls } from '../../src/pilot/rules/credentials.ts'
import type { Source } from '../../src/mesh/rules/source.ts'

const secrets: Record<string, object> = {
  'space/pair': { holds: ['keypair'] },
  'space/cas': { holds: ['ca'] },
  'space/both': { holds: ['keypair', 'ca'] },
}
const view = { get: (_kind: string, key: string) => secrets[key] } as unknown as Source
const port = { number: 443, name: 'https', protocol: 'HTTPS' }

test('a Gateway whose secret lacks what its mode needs says so, and is not served', (t) => {
  const read = (mode: string, credentialName: string): [boolean, string[]] => {
    const faults: string[] = []
    return [
      serverTls(view, { port, hosts: ['a.test'], tls: { mode, credentialName } } as Parameters<typeof serverTls>[1], 'space', faults) !==
        undefined,
      faults,
    ]
  }
  t.same(read('SIMPLE', 'pair'), [true, []])
  t.same(read('MUTUAL', 'both'), [true, []])
  t.same(read('MUTUAL', 'pair'), [false, ['the secret space/pair has no CAs (--ca)']])
  t.same(read('OPTIONAL_MUTUAL', 'pair'), [false, ['the secret space/pair has no CAs (--ca)']])
  t.same(read('SIMPLE', 'cas'), [false, ['the secret space/cas has no certificate (--cert, --key)']])
  t.same(read('MUTUAL', 'none'), [false, ['there is no secret space/none; `meshctl secret set` makes it']], 'told once')
  t.end()
})

test('so does the rule of an external service', (t) => {
  const faults: string[] = []
  t.same(clientCredentials(view, { mode: 'MUTUAL', credentialName: 'cas' }, 'space', faults), {})
  t.same(clientCredentials(view, { mode: 'MUTUAL', credentialName: 'none' }, 'space', faults), {})
  t.same(faults, [
    'the secret space/cas has no certificate (--cert, --key)',
    'there is no secret space/none; `meshctl secret set` makes it',
  ])
  t.end()
})
