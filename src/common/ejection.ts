import { Type, type Static } from 'typebox'

/** What somebody who reads a list of ejections is told at most of one router. */
export const mostEjections = 1000

/**
 * An instance that a router leaves out of a cluster because it failed (`open`), or asks again on trial (`half-open`): until it has been
 * well for as many intervals as it was ejected, the next ejection lasts longer. Then the circuit is closed, and there is none.
 */
export const Ejection = Type.Object({
  cluster: Type.String(),
  instance: Type.String({ description: "Guid of the instance; of an external service the endpoint's name" }),
  address: Type.String({ description: 'IP:PORT' }),
  state: Type.Enum(['open', 'half-open']),
  since: Type.String({ format: 'date-time', description: 'When it was ejected' }),
  until: Type.String({ format: 'date-time', description: 'About when it is or was asked again' }),
  times: Type.Integer({ description: 'How often it was ejected' }),
  cause: Type.String({ description: 'consecutive-5xx, consecutive-gateway-failure or consecutive-local-origin-failure' }),
})
export type Ejection = Static<typeof Ejection>
