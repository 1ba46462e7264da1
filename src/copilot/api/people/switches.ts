import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { resolveNamespace } from '../../people/namespaces.ts'
import type { Switch } from '../../store/store.ts'
import { Related } from '../../views/related.ts'
import { Named } from '../../views/schemas.ts'
import type { Api } from '../server.ts'

const since = { author: Type.String(), since: Type.String({ format: 'date-time' }) }
export const Switches = Type.Object({
  frozen: Type.Optional(Type.Object(since, { description: 'Who has frozen all configuration; absent where nobody has' })),
  ignored: Type.Array(Type.Object({ space: Named, ...since }), { description: 'Spaces whose rules are not in force' }),
})
const Space = Type.Object(
  { namespace: Type.String({ minLength: 1, description: 'Name or guid of the space, or ORGANIZATION/SPACE' }) },
  { additionalProperties: false },
)

/** What operators switch: nobody changes any rule, or the rules of one space are not in force. */
export function switches(api: Api, { store, audit }: Copilot): void {
  const turn = async (request: object, name: Switch['name'], subject: string, on: boolean) => {
    const caller = callerOf(request)
    caller.requireOperator()
    const changed = await store.setSwitch({ name, subject, author: caller.name }, on)
    if (changed)
      audit({
        author: caller.name,
        action: name === 'freeze' ? (on ? 'frozen' : 'unfrozen') : on ? 'ignored' : 'heeded',
        subject: subject ? `space/${subject}` : 'configuration',
      })
    return showSwitches(store)
  }
  const answer = (summary: string) => ({ summary, response: { 200: Switches } })

  api.get('/v1/switches', { schema: answer('What operators have switched on') }, async () => showSwitches(store))
  api.put('/v1/switches/freeze', { schema: answer('Freeze all configuration: nothing is applied or deleted') }, (request) =>
    turn(request, 'freeze', '', true),
  )
  api.delete('/v1/switches/freeze', { schema: answer('Let configuration be changed again') }, (request) =>
    turn(request, 'freeze', '', false),
  )
  api.put('/v1/switches/ignored/:namespace', { schema: { ...answer('Ignore the rules of a space'), params: Space } }, async (request) =>
    turn(request, 'ignore', await resolveNamespace(store, request.params.namespace, callerOf(request)), true),
  )
  api.delete(
    '/v1/switches/ignored/:namespace',
    { schema: { ...answer('Heed the rules of a space again'), params: Space } },
    async (request) => {
      const { namespace } = request.params
      const known = (await store.switches()).some(({ name, subject }) => name === 'ignore' && subject === namespace)
      // A space that is no more is named by its guid.
      return turn(request, 'ignore', known ? namespace : await resolveNamespace(store, namespace, callerOf(request)), false)
    },
  )
}

export async function showSwitches(store: Copilot['store']) {
  const on = await store.switches()
  const related = new Related(store)
  const ignored = on.filter(({ name }) => name === 'ignore')
  await related.addSpaces(ignored.map(({ subject }) => subject))
  const told = ({ author, at }: Switch) => ({ author, since: new Date(at).toISOString() })
  const frozen = on.find(({ name }) => name === 'freeze')
  return {
    ...(frozen && { frozen: told(frozen) }),
    ignored: ignored.map((one) => ({ space: related.named('space', one.subject), ...told(one) })),
  }
}
