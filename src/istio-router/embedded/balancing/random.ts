import { allowed, type MakeBalancer } from './balancer.ts'

/** Any endpoint with the same chance; weights are ignored, as Envoy does. */
export const random: MakeBalancer = (endpoints) => ({
  pick(excluded) {
    const choice = allowed(endpoints, excluded)
    return choice[Math.floor(Math.random() * choice.length)]
  },
})
