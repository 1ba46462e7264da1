import { alike, allowed, type MakeBalancer } from './balancer.ts'
import { byDeadline } from './round-robin.ts'

/**
 * Of several endpoints drawn at random the one with least to do. Where weights differ, or grow (`warmingUp`), endpoints are taken in turn
 * instead, each as often as its weight divided by what it has to do, as Envoy does.
 */
export function leastRequest(draws: number, warmingUp: boolean): MakeBalancer {
  return (endpoints) => {
    if (warmingUp || !alike(endpoints)) return byDeadline(endpoints, ({ weight, active }) => weight / (active + 1))
    return {
      pick(excluded) {
        const choice = allowed(endpoints, excluded)
        if (choice.length < 2) return choice[0]
        let best = choice[Math.floor(Math.random() * choice.length)]!
        for (let draw = 1; draw < draws; draw++) {
          const other = choice[Math.floor(Math.random() * choice.length)]!
          if (other.active < best.active) best = other
        }
        return best
      },
    }
  }
}
