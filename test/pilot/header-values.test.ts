import { create } from '@bufbuild/protobuf'
import { test } from 'tap'
import { RouteConfigurationSchema } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { encodeResource } from '../../src/common/xds/resources.ts'
import { headerValueFault, variables } from '../../src/mesh/istio/header-values.ts'
import { envoyAbsent, Rig } from './rig.ts'

test('the real Envoy takes every variable that values of headers may have', { skip: envoyAbsent }, async (t) => {
  const rig = await Rig.start({ listeners: [{ exposure: 'pub' }] })
  t.teardown(() => rig.stop())
  const values = [
    ...variables,
    '%REQ(X-A?:path):8%',
    '%PATH(NQ:ORIG)%',
    '%PATH(:PATH):3%',
    '%START_TIME(%s.%3f)%',
    'all 100 %% of %PROTOCOL%',
  ]
  t.same(
    values.map(headerValueFault).filter((fault) => fault !== undefined),
    [],
  )
  const responseHeadersToAdd = values.map((value) => ({ header: { key: 'a', value } }))
  const virtualHosts = [{ name: 'a', domains: ['a'], responseHeadersToAdd }]
  const changed = [encodeResource(RouteConfigurationSchema, 'pub', create(RouteConfigurationSchema, { name: 'pub', virtualHosts }))]
  rig.cache.apply({ changed, removed: [] })
  await rig.settled()
  t.same(rig.refused, [])
})
