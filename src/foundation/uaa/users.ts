import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Account } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { asText } from '../json.ts'
import { everyone, hashPassword, passwordMatches } from './accounts.ts'
import { oauthError } from './errors.ts'
import type { Claims } from './keys.ts'

type Authorize = (request: FastifyRequest, ...scopes: string[]) => Promise<Claims>

interface ScimBody {
  userName?: unknown
  password?: unknown
  origin?: unknown
  externalId?: unknown
  active?: unknown
  emails?: unknown
  name?: { givenName?: unknown; familyName?: unknown }
}

/** UAA's SCIM users, as `cf create-user`, `delete-user` and `passwd` use them. */
export function scimUsers(api: FastifyInstance, store: Store, authorize: Authorize): void {
  api.get<{ Querystring: Record<string, string> }>('/Users', async (request) => {
    await authorize(request, 'scim.read', 'uaa.admin')
    const matching = [...store.accounts.values()].filter(scimFilter(request.query['filter']))
    const start = positive(request.query['startIndex'], 1)
    const count = positive(request.query['count'], 100)
    return {
      resources: matching.slice(start - 1, start - 1 + count).map(present),
      startIndex: start,
      itemsPerPage: count,
      totalResults: matching.length,
      schemas: ['urn:scim:schemas:core:1.0'],
    }
  })

  api.get<{ Params: { id: string } }>('/Users/:id', async (request) => {
    const claims = await authorize(request)
    if (claims.user_id !== request.params.id) await authorize(request, 'scim.read', 'uaa.admin')
    return present(known(store, request.params.id))
  })

  api.post<{ Body: ScimBody }>('/Users', async (request, reply) => {
    await authorize(request, 'scim.write', 'uaa.admin')
    const { password, externalId, ...body } = request.body ?? {}
    const origin = body.origin || 'uaa'
    const userName = requiredText('userName', body.userName)
    if (typeof origin !== 'string') throw oauthError(400, 'invalid_scim_resource', 'origin must be a string')
    if (origin === 'uaa' && (typeof password !== 'string' || !password))
      throw oauthError(400, 'invalid_password', 'Password must be provided.')
    const hash = await hashPassword(typeof password === 'string' ? password : '')
    if (store.accounts.first('userName', userName.toLowerCase()))
      throw oauthError(409, 'scim_resource_already_exists', `Username already in use: ${userName}`)
    const account = store.transaction(() =>
      store.accounts.insert({
        userName,
        password: hash,
        email: firstEmail(body.emails) ?? userName,
        givenName: asText(body.name?.givenName ?? ''),
        familyName: asText(body.name?.familyName ?? ''),
        origin,
        groups: everyone,
        active: true,
        externalId: typeof externalId === 'string' ? externalId : null,
      }),
    )
    return reply.code(201).send(present(account))
  })

  api.delete<{ Params: { id: string } }>('/Users/:id', async (request) => {
    await authorize(request, 'scim.write', 'uaa.admin')
    const account = known(store, request.params.id)
    store.transaction(() => store.accounts.remove(account.guid))
    return present(account)
  })

  api.put<{ Params: { id: string }; Body: { oldPassword?: unknown; password?: unknown } }>('/Users/:id/password', async (request) => {
    const claims = await authorize(request)
    const own = claims.user_id === request.params.id
    if (!own) await authorize(request, 'uaa.admin')
    const account = known(store, request.params.id)
    const password = requiredText('password', request.body?.password)
    if (own && !(await passwordMatches(asText(request.body?.oldPassword ?? ''), account.password)))
      throw oauthError(401, 'unauthorized', 'Old password is incorrect')
    const hash = await hashPassword(password)
    store.transaction(() => store.accounts.update(account.guid, { password: hash }))
    return { status: 'ok', message: 'password updated' }
  })
}

function known(store: Store, id: string): Account {
  const account = store.accounts.get(id)
  if (!account) throw oauthError(404, 'scim_resource_not_found', `User ${id} does not exist`)
  return account
}

function present(account: Account): Record<string, unknown> {
  return {
    id: account.guid,
    externalId: account.externalId ?? '',
    meta: { version: 0, created: new Date(account.createdAt).toISOString(), lastModified: new Date(account.updatedAt).toISOString() },
    userName: account.userName,
    name: { familyName: account.familyName, givenName: account.givenName },
    emails: [{ value: account.email, primary: false }],
    groups: account.groups.map((display) => ({ value: display, display, type: 'DIRECT' })),
    approvals: [],
    phoneNumbers: [],
    active: account.active,
    verified: true,
    origin: account.origin,
    zoneId: 'uaa',
    schemas: ['urn:scim:schemas:core:1.0'],
  }
}

const attributes: Record<string, (account: Account) => string> = {
  username: ({ userName }) => userName.toLowerCase(),
  id: ({ guid }) => guid,
  origin: ({ origin }) => origin,
  email: ({ email }) => email.toLowerCase(),
  'emails.value': ({ email }) => email.toLowerCase(),
  active: ({ active }) => String(active),
}

/** The part of SCIM filters that CF's clients send: `ATTRIBUTE eq "VALUE"`, joined by `and` and `or`. Throws `invalid_filter`. */
function scimFilter(filter: string | undefined): (account: Account) => boolean {
  if (!filter) return () => true
  const alternatives = filter.split(/\s+or\s+/i).map((alternative) => alternative.split(/\s+and\s+/i).map(comparison))
  return (account) => alternatives.some((all) => all.every((matches) => matches(account)))
}

function comparison(text: string): (account: Account) => boolean {
  const [, name = '', operator = '', value = ''] = /^[\s(]*([\w.]+)\s+(eq|sw|co)\s+"?([^")]*)"?[\s)]*$/i.exec(text) ?? []
  const attribute = attributes[name.toLowerCase()]
  if (!attribute) throw oauthError(400, 'invalid_filter', `Invalid filter expression: [${text}]`)
  const wanted = name.toLowerCase() === 'id' ? value : value.toLowerCase()
  const operators: Record<string, (held: string) => boolean> = {
    eq: (held) => held === wanted,
    sw: (held) => held.startsWith(wanted),
    co: (held) => held.includes(wanted),
  }
  const holds = operators[operator.toLowerCase()]!
  return (account) => holds(attribute(account))
}

function requiredText(field: string, value: unknown): string {
  if (typeof value !== 'string' || !value.trim()) throw oauthError(400, 'invalid_scim_resource', `${field} must be provided`)
  return value
}

function firstEmail(emails: unknown): string | undefined {
  const [first] = Array.isArray(emails) ? (emails as { value?: unknown }[]) : []
  return typeof first?.value === 'string' ? first.value : undefined
}

function positive(text: string | undefined, otherwise: number): number {
  const value = Number(text)
  return Number.isInteger(value) && value > 0 ? value : otherwise
}
