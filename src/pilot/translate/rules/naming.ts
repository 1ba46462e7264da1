import { routeKey, type Exposure } from '../../../mesh/records.ts'
import { name } from '../../../mesh/rules/names.ts'
import type { Model } from '../../model/model.ts'
import type { TranslationSettings } from '../settings.ts'
import { sessionOf } from '../sticky-sessions.ts'

/** Why a host of the platform without rules stands in a route configuration by its name; most don't. */
export interface Naming {
  /** It would fall to a wildcard host with rules. */
  beneath: boolean
  /**
   * It is not simple, which a host is whose only route is that of its name and has nothing to it: it is a wildcard, or has routes with
   * paths, or one whose sessions stick.
   */
  searched: boolean
}

export const unnamed: Naming = { beneath: false, searched: false }

/** How a host without rules is named, where `wildcards` are those with rules. */
export function namingOf(model: Model, settings: TranslationSettings, exposure: Exposure, host: string, wildcards: string[]): Naming {
  const plain = routeKey({ exposure, host, path: '' })
  const naming = { ...unnamed }
  for (const key of model.keysOf(name.host(host))) {
    if (key !== plain && !key.startsWith(`${plain}/`)) continue
    naming.beneath ||= wildcards.some((wildcard) => isBeneath(host, wildcard))
    naming.searched =
      host.startsWith('*.') || key !== plain || sessionOf(model.get('route', key)!, settings, (app) => model.get('app', app)) !== undefined
    if (naming.searched) break
  }
  return naming
}

const isBeneath = (host: string, wildcard: string): boolean => host !== wildcard && host.endsWith(wildcard.slice(1))
