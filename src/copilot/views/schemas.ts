import { Type } from 'typebox'

export const Named = Type.Object({ guid: Type.String(), name: Type.Optional(Type.String()) })

/** The space that something belongs to, and its organization. */
export const owner = { space: Named, organization: Type.Optional(Named) }

export const Labels = Type.Record(Type.String(), Type.String())
