import { Problem, problem, type ProblemBody } from '../common/problem.ts'

/** What is wrong with a request: the first fault as the problem itself, all of them in `problems`. */
export class Faults extends Problem {
  readonly problems: ProblemBody[]

  /** `faults` are sentences that begin with the field's path; `where` stands before each, `line 3, `. */
  constructor(faults: string[], where = '') {
    const code = 'MESH_REQUEST_INVALID'
    const problems = faults.map((fault) => ({ code, message: `${where}${fault}`, path: fault.slice(0, fault.indexOf(': ')) }))
    super(code, 422, problems.map(({ message }) => message).join('; '), problems[0]?.path)
    this.problems = problems
  }

  override toJSON(): ProblemBody & { problems: ProblemBody[] } {
    return { ...super.toJSON(), problems: this.problems }
  }
}

export const PathUnknown = problem(
  'MESH_PATH_UNKNOWN',
  404,
  (method: string, url: string) => `there is no ${method} ${url}; /docs lists what there is`,
)
export const BodyTooLarge = problem('MESH_BODY_TOO_LARGE', 413, (limit: number) => `the body is larger than ${limit} bytes`)
export const BodyTooDeep = problem('MESH_BODY_TOO_DEEP', 422, (levels: number) => `the body is nested deeper than ${levels} levels`)
export const BodyType = problem('MESH_BODY_TYPE', 415, () => 'this type of body is not understood here; send application/json')
export const BodyUnreadable = problem('MESH_BODY_UNREADABLE', 400, (why: string) => `the body cannot be read: ${why}`)

export const LineInvalid = problem('MESH_LINE_INVALID', 422, (line: number, message: string) => `line ${line} ${message}`)
export const LineTooLong = problem('MESH_LINE_TOO_LONG', 413, (line: number, limit: number) => `line ${line} is longer than ${limit} bytes`)
export const SyncTooLarge = problem(
  'MESH_SYNC_TOO_LARGE',
  413,
  (limit: number) => `a full sync has at most ${limit} records; raise limits.records if that many are meant`,
)
export const SyncUncommitted = problem(
  'MESH_SYNC_UNCOMMITTED',
  422,
  () => 'the stream ended without its commit line; nothing was applied, send all again',
)
export const SyncMiscounted = problem(
  'MESH_SYNC_MISCOUNTED',
  422,
  (announced: number, received: number) =>
    `the commit line counts ${announced} lines, ${received} came; nothing was applied, send all again`,
)

export const EpochUnknown = problem(
  'MESH_EPOCH_UNKNOWN',
  409,
  (source: string) =>
    `no full sync of this epoch has been committed for source ${source}; send all again by PUT /v1/sources/${source}/records`,
)
export const EpochSuperseded = problem(
  'MESH_EPOCH_SUPERSEDED',
  409,
  (source: string) =>
    `another syncer has since taken over source ${source} by a full sync; this one is to stop sending until it is started anew`,
)

export const StoreFull = problem(
  'MESH_STORE_FULL',
  507,
  (why: string) => `the store has no space left (${why}); nothing was applied. Free space on its disk, or raise store.maxMegabytes`,
)
export const StoreFailed = problem('MESH_STORE_FAILED', 503, (why: string) => `the store failed (${why}); nothing was applied, try again`)
export const StoreUnusable = problem(
  'MESH_STORE_UNUSABLE',
  500,
  (file: string, why: string) =>
    `${file} is not a usable copilot database (${why}). It was left as it is: restore a backup, or move it away to begin anew`,
)
export const StoreTooNew = problem(
  'MESH_STORE_TOO_NEW',
  500,
  (file: string, found: number, known: number) =>
    `${file} has schema ${found}, this copilot knows up to ${known}: run the newer copilot that wrote it, or restore a backup`,
)
export const StoreInUse = problem('MESH_STORE_IN_USE', 500, (file: string) => `another process has ${file} open; one copilot a store`)

export const CertificateRefused = problem(
  'MESH_CERTIFICATE_REFUSED',
  403,
  (names: string[], wanted: string[]) =>
    `the client certificate names ${names.join(', ') || 'nobody'}; this needs one of ${wanted.join(', ')}`,
)
export const HostRefused = problem(
  'MESH_HOST_REFUSED',
  403,
  (host: string) => `the Host header ${host} is not a loopback name; without authentication only those are answered`,
)
export const TokenMissing = problem(
  'MESH_TOKEN_MISSING',
  401,
  () => 'send a UAA access token as Authorization: Bearer TOKEN (`cf oauth-token` prints one)',
)
export const TokenInvalid = problem(
  'MESH_TOKEN_INVALID',
  401,
  (why: string) => `the access token is refused: ${why}; get a new one with \`cf oauth-token\``,
)
export const ScopeMissing = problem(
  'MESH_SCOPE_MISSING',
  403,
  (scopes: readonly string[]) => `this needs one of the scopes ${scopes.join(', ')}, which the token does not have`,
)
export const NotInSpace = problem(
  'MESH_NOT_IN_SPACE',
  403,
  (what: string, space: string, needed: string) =>
    `you may not ${what} ${space}; that takes ${needed}, which your token's user does not have`,
)
export const OrganizationSuspended = problem(
  'MESH_ORGANIZATION_SUSPENDED',
  403,
  (organization: string) =>
    `the organization ${organization} is suspended, so only operators change anything in its spaces; what is in force goes on. Ask an administrator of Cloud Foundry`,
)
export const OperatorOnly = problem(
  'MESH_OPERATOR_ONLY',
  403,
  () => 'this is for operators: holders of the scope mesh.admin or cloud_controller.admin',
)
export const RolesUnknown = problem(
  'MESH_ROLES_UNKNOWN',
  503,
  (why: string) =>
    `Cloud Controller cannot be asked for your roles (${why}), so nothing can be changed; what is in force goes on. Try again`,
)
export const UaaUnreachable = problem(
  'MESH_UAA_UNREACHABLE',
  503,
  (why: string) => `UAA's token keys cannot be read (${why}), so no token can be checked; try again`,
)

export const RouteUnknown = problem('MESH_ROUTE_UNKNOWN', 404, (name: string) => `no route answers ${name}`)
export const CursorInvalid = problem(
  'MESH_CURSOR_INVALID',
  422,
  () => 'cursor: is not one that an answer of this list gave as `next`',
  () => 'cursor',
)
export const NothingHeld = problem(
  'MESH_NOTHING_HELD',
  404,
  (wanted: string | undefined, held: string[]) =>
    `no sync${wanted ? ` ${wanted}` : ''} is held; ${held.length ? `those of ${held.join(', ')} are` : 'there is nothing to accept'}`,
)
export const SeveralHeld = problem(
  'MESH_SEVERAL_HELD',
  409,
  (held: string[]) => `several syncs are held: name one by its source or id (${held.join(', ')})`,
)
export const Unforeseen = problem('MESH_INTERNAL', 500, () => 'copilot failed to answer this; its log says why')
export const NameUnknown = problem(
  'MESH_NAME_UNKNOWN',
  404,
  (kind: string, name: string) => `there is no ${kind} with the name or guid ${name}`,
)

export const SpaceAmbiguous = problem(
  'MESH_SPACE_AMBIGUOUS',
  409,
  (name: string, guids: string[]) =>
    `there are ${guids.length} spaces called ${name}; write ORGANIZATION/${name}, or the guid of one: ${guids.join(', ')}`,
)

export const SecretsOff = problem(
  'MESH_SECRETS_OFF',
  501,
  () => 'secrets cannot be kept: the operator has given copilot no key to encrypt them with (encryption.keys)',
)
export const SecretSealed = problem(
  'MESH_SECRET_SEALED',
  503,
  (name: string, why: string) => `the secret ${name} cannot be opened: ${why}. Give copilot that key again, or set the secret anew`,
)
export const SecretUnknown = problem(
  'MESH_SECRET_UNKNOWN',
  404,
  (name: string) => `there is no secret ${name}; \`meshctl secret list\` shows those that there are`,
)
export const TooManySecrets = problem(
  'MESH_TOO_MANY_SECRETS',
  422,
  (namespace: string, found: number, most: number) =>
    `${namespace} would have ${found} secrets; it can have ${most}. Delete some, or ask an operator for more (limits.secrets)`,
)

export const KindUnknown = problem(
  'MESH_KIND_UNKNOWN',
  422,
  (kind: string, known: readonly string[]) => `kind: ${JSON.stringify(kind)} is none of ${known.join(', ')}`,
  () => 'kind',
)
export const ResourceUnknown = problem('MESH_RESOURCE_UNKNOWN', 404, (name: string) => `there is no ${name}`)
export const VersionConflict = problem('MESH_VERSION_CONFLICT', 409, (key: string, expected: number, found: number) =>
  found && expected
    ? `${key} was changed meanwhile: it has version ${found}, not ${expected}; read it again`
    : found
      ? `${key} exists already; leave out metadata.resourceVersion, where "0" means that it must not, to change it`
      : `${key} is not there, and version ${expected} of it was to be changed; leave out metadata.resourceVersion to create it`,
)
export const TooManyResources = problem(
  'MESH_TOO_MANY_RESOURCES',
  422,
  (namespace: string, found: number, most: number) =>
    `${namespace} would have ${found} resources; it can have ${most}. Nothing was applied: delete some, or ask an operator for more (limits.resources)`,
)
export const TooManyDocuments = problem(
  'MESH_TOO_MANY_DOCUMENTS',
  422,
  (found: number, most: number) =>
    `${found} documents are too many for one request, which can have ${most}; nothing was applied. Apply them in parts`,
)
export const VersionForgotten = problem(
  'MESH_VERSION_FORGOTTEN',
  410,
  (version: number) =>
    `what followed version ${version} is not known any more; list the resources again and watch from the version of that list`,
)
export const SelectorInvalid = problem(
  'MESH_SELECTOR_INVALID',
  422,
  (term: string) => `selector: ${JSON.stringify(term)} is none of a=b, a!=b, a in (b,c), a notin (b,c), a, !a`,
  () => 'selector',
)
export const VersionMalformed = problem(
  'MESH_VERSION_MALFORMED',
  422,
  (given: unknown) => `metadata.resourceVersion: ${JSON.stringify(given)} is no version; send the string that was read, or leave it out`,
  () => 'metadata.resourceVersion',
)
export const IdentityDiffers = problem(
  'MESH_IDENTITY_DIFFERS',
  422,
  (given: string, addressed: string) => `the body is ${given}, the address names ${addressed}; they must be the same`,
)
export const Frozen = problem(
  'MESH_FROZEN',
  423,
  (author: string, since: string) =>
    `${author} has frozen all configuration at ${since}: nothing can be applied or deleted until an operator says \`meshctl unfreeze\``,
)
export const NameTwice = problem('MESH_NAME_TWICE', 422, (key: string) => `${key} stands there twice; leave one of them out`)
export const VersionUnknown = problem(
  'MESH_VERSION_UNKNOWN',
  404,
  (name: string, to: number, known: number[]) => `${name} has no version ${to}; kept are ${known.join(', ')}`,
)
