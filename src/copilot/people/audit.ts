import type { Logger } from '../../common/log.ts'

/** What somebody did. */
export interface AuditEntry {
  author: string
  action: 'created' | 'configured' | 'deleted' | 'frozen' | 'unfrozen' | 'ignored' | 'heeded' | 'accepted' | 'purged'
  /** `KIND/NAMESPACE/NAME` of a resource, `secret/NAMESPACE/NAME`, or what else it was done to. */
  subject: string
  before?: unknown
  after?: unknown
}

/** Writes one line for each change that people make. */
export type Audit = (entry: AuditEntry) => void

/** Audit lines stand in the log whatever its level is, with `audit: true`. */
export function createAudit(log: Logger): Audit {
  const lines = log.child({ audit: true }, { level: 'info' })
  return (entry) => lines.info(entry, 'changed by people')
}
