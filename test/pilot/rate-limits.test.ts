import { test } from 'tap'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask } from '../support/client.ts'
import { destination, resource, route } from './records.ts'
import { envoyAbsent, Rig, settingsOf } from './rig.ts'

test(
  'a limit holds to the request, for all listeners together, and each value of a header has its own',
  { skip: envoyAbsent },
  async (t) => {
    const rig = await Rig.start({ listeners: [{ name: 'one' }, { name: 'two' }] })
    t.teardown(() => rig.stop())
    const translator = new Translator(settingsOf())
    const says = (host: string) =>
      resource('VirtualService', host.replaceAll('.', '-'), { hosts: [host], http: [{ directResponse: { status: 200 } }] })
    rig.cache.apply({ changed: translator.constants, removed: [] })
    rig.cache.apply(
      translator.apply([
        route('all.test', [destination([])]),
        route('key.test', [destination([])]),
        route('match.test', [destination([])]),
        says('all.test'),
        says('key.test'),
        says('match.test'),
        resource('RateLimit', 'all', { hosts: ['all.test'], limits: [{ per: 'route', requests: 30, unit: 'day' }] }),
        resource('RateLimit', 'key', { hosts: ['key.test'], limits: [{ per: 'header:X-Api-Key', requests: 10, unit: 'hour', burst: 5 }] }),
        resource('RateLimit', 'match', {
          hosts: ['match.test'],
          match: [{ uri: { prefix: '/buy' } }, { queryParams: { sale: { exact: 'yes' } } }],
          limits: [{ per: 'route', requests: 10, unit: 'hour' }],
        }),
      ]),
    )
    await rig.settled()
    await rig.listening()
    t.same(rig.refused, [])
    const [one = 0, two = 0] = rig.ports
    const passed = async (n: number, host: string, options: Parameters<typeof ask>[2] = {}): Promise<number> => {
      const answers = await Promise.all([...Array(n).keys()].map((i) => ask(i % 2 ? one : two, host, options)))
      return answers.filter(({ status }) => status === 200).length
    }
    t.equal(await passed(80, 'all.test'), 30)
    const { status, headers } = await ask(one, 'all.test')
    t.equal(status, 429)
    t.match(headers, { 'retry-after': /^\d+$/, 'x-ratelimit-limit': /^30/, 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': /^\d+$/ })
    const key = (value: string) => ({ headers: { 'x-api-key': value } })
    t.equal(await passed(12, 'key.test', key('one')), 5, 'no more than the burst at once')
    t.equal(await passed(12, 'key.test', key('two')), 5)
    t.equal(await passed(12, 'key.test'), 12, 'who has no such header is not counted')
    t.equal(await passed(20, 'match.test', { path: '/look?sale=no' }), 20)
    t.equal(await passed(4, 'match.test', { path: '/buy?sale=yes' }), 4, 'what both match counts once')
    t.equal(await passed(20, 'match.test', { path: '/look?x=1&sale=yes' }), 6)
    t.equal(await passed(5, 'match.test', { path: '/buy' }), 0)
  },
)
