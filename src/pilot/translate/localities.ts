import type { Policy } from '../rules/policies.ts'

/** Whether instances are sought by zone, as the policy says it. */
export function localities({ loadBalancer }: Policy) {
  const setting = loadBalancer?.localityLbSetting
  if (!setting || setting.enabled === false) return {}
  return setting.distribute?.length ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig' as const, value: {} } } : {}
}
