import { test } from 'tap'
import { createLogger } from '../../src/common/log.ts'
import { SecretKeeper, type SecretContent } from '../../src/pilot/secret-keeper.ts'
import { eventually } from '../support/wait.ts'

test('the first secrets are waited for, and no later one', async (t) => {
  const answers = new Map<string, PromiseWithResolvers<SecretContent>>()
  const answer = (key: string): PromiseWithResolvers<SecretContent> => {
    const known = answers.get(key) ?? Promise.withResolvers<SecretContent>()
    answers.set(key, known)
    return known
  }
  let changes = 0
  const keeper = new SecretKeeper({ read: (key) => answer(key).promise, changed: () => changes++, log: createLogger('test', 'silent') })
  t.teardown(() => keeper.stop())
  await keeper.start()
  t.notOk(keeper.settled, 'it is not known yet what is needed')
  keeper.want(new Map([['space/a', '1']]))
  t.notOk(keeper.settled)
  answer('space/a').resolve({ version: '1' })
  await eventually(() => keeper.settled)
  t.same([keeper.get('space/a'), changes], [{ version: '1' }, 1])
  keeper.want(
    new Map([
      ['space/a', '1'],
      ['space/b', '1'],
    ]),
  )
  t.ok(keeper.settled)
})
