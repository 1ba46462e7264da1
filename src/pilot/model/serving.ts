import type { Instance, Route } from '../../mesh/records.ts'
import { servingOf as servingIn, type Serving } from '../../mesh/serving.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'

/** Finds the instances that serve a route. */
export function servingOf(route: Pick<Route, 'destinations'>, model: Source): Serving {
  return servingIn(route, {
    process: (guid) => model.get('process', guid),
    instances: (process) => Array.from(model.keysOf(name.instances(process)), (guid) => [guid, model.get('instance', guid) as Instance]),
  })
}
