import type { Resource } from '../../common/xds/resources.ts'
import { listenersFor } from './listener.ts'
import type { RouterNode } from './router-node.ts'
import { scopesFor } from './routing-shape.ts'
import type { TranslationSettings } from './settings.ts'

/** What one router gets that depends on what it asked for: its listeners, and what leads from them to route configurations. */
export function resourcesFor(node: RouterNode, settings: TranslationSettings): Resource[] {
  return [...listenersFor(node, settings), ...scopesFor(node.listeners.map(({ exposure }) => exposure), settings)]
}
