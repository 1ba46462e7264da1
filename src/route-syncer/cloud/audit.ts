import type { AuditEvent } from '../../platform/cloud-controller/resources.ts'

/** Resources to read again, by guid. */
export interface Touched {
  routes: Set<string>
  apps: Set<string>
  spaces: Set<string>
  organizations: Set<string>
}

/** What tells of a change that moves no `updated_at`: mappings, and everything that is deleted. */
export const auditTypes = [
  'audit.app.map-route',
  'audit.app.unmap-route',
  'audit.app.delete-request',
  'audit.route.create',
  'audit.route.update',
  'audit.route.delete-request',
  'audit.route.transfer-owner',
  'audit.space.delete-request',
  'audit.organization.delete-request',
]

/** Notes what an audit event is about. */
export function noteEvent({ type, target, data }: AuditEvent, touched: Touched): void {
  const guid = target?.guid
  if (!guid) return
  if (type.startsWith('audit.route.')) touched.routes.add(guid)
  else if (type.startsWith('audit.space.')) touched.spaces.add(guid)
  else if (type.startsWith('audit.organization.')) touched.organizations.add(guid)
  else if (type === 'audit.app.delete-request') touched.apps.add(guid)
  else touchMapping(data, touched)
}

function touchMapping(data: unknown, { routes }: Touched): void {
  const guid = (data as { route_guid?: unknown } | null | undefined)?.route_guid
  if (typeof guid === 'string') routes.add(guid)
}
