import type { RuleFeature } from './feature.ts'

/** Answers itself. Istio: VirtualService http[].directResponse. */
export const directResponse: RuleFeature = {
  answer({ route: { directResponse } }) {
    if (!directResponse) return undefined
    const { status, body } = directResponse
    const text = body?.string
    return {
      case: 'directResponse',
      value: {
        status,
        ...(text !== undefined ? { body: { specifier: { case: 'inlineString' as const, value: text } } } : {}),
        ...(body?.bytes !== undefined
          ? { body: { specifier: { case: 'inlineBytes' as const, value: Buffer.from(body.bytes, 'base64') } } }
          : {}),
      },
    }
  },
}
