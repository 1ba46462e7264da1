import { routeKey, type Destination, type Route } from '../../src/mesh/records.ts'
import { ask } from '../support/client.ts'
import { behaviour } from '../support/conformance.ts'
import { says, virtualService } from '../support/rules.ts'

interface Stood {
  status: { conditions: { type: string; status: string; message?: string }[] }
}

/** An RE2 expression that is none too long to be written, and too large for Envoy to run (re2.max_program_size). */
const tooLarge = `/${'\\pL{1000}'.repeat(6)}`

behaviour(
  'rules of one space that a router refuses stay as they were, say so, and hold up those of no other',
  async ({ t, mesh, router, apply }) => {
    const { host: victim } = await mesh.serve()
    const destinations: Destination[] = [{ app: 'nobody', type: 'web', port: 8080, protocol: 'http1', processes: [] }]
    const culprit: Route = { host: mesh.host(), path: '', exposure: 'pub', space: 'culprit', labels: {}, options: {}, destinations }
    await mesh.change([
      { kind: 'space', key: 'culprit', value: { name: 'culprit', organization: 'org' } },
      { kind: 'route', key: routeKey(culprit), value: culprit },
    ])
    const applyThere = (document: object) => mesh.call('POST', '/v1/resources/apply', { documents: [document], namespace: 'culprit' })
    const conditions = async () => {
      const { status } = (await mesh.call('GET', `/v1/resources/virtualservice/culprit/${culprit.host.replaceAll('.', '-')}`)) as Stood
      return Object.fromEntries(status.conditions.map(({ type, status, message }) => [type, { status, message }]))
    }
    await applyThere(virtualService(culprit.host, says('good')))
    await mesh.eventually(async () => (await ask(router.http, culprit.host)).body === 'good')

    await applyThere(virtualService(culprit.host, { match: [{ uri: { regex: tooLarge } }], ...says('bad') }))
    const degraded = await mesh.eventually(async () => {
      const found = await conditions()
      return found['Degraded']?.status === 'True' ? found : undefined
    })
    t.match(degraded['Degraded']?.message, new RegExp(`router envoy.* refuses the rules of ${culprit.host}.*regex`))
    t.equal(degraded['Programmed']?.status, 'False')
    t.equal(degraded['Accepted']?.status, 'True')

    await apply(virtualService(victim, says('changed')))
    t.equal((await ask(router.http, victim)).body, 'changed', 'others change as ever')
    t.equal((await ask(router.http, culprit.host)).body, 'good', 'the last good version holds')

    await mesh.restartPilot()
    await apply(virtualService(victim, says('changed again')))
    // A pilot that begins anew serves the others too, once it knows what the router refuses.
    await mesh.eventually(async () => (await ask(router.http, victim)).body === 'changed again')
    t.equal((await ask(router.http, culprit.host)).body, 'good', 'and takes from the router nothing that it has')
    t.match(
      await mesh.eventually(async () => {
        const { Degraded } = await conditions()
        return Degraded?.status === 'True' ? Degraded.message : undefined
      }),
      /refuses the rules of/,
    )
    await applyThere(virtualService(culprit.host, says('better')))
    await mesh.eventually(async () => (await ask(router.http, culprit.host)).body === 'better')
    await mesh.eventually(async () => (await conditions())['Degraded']?.status === 'False')
  },
  { only: 'envoy' },
)
