import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import type { Secret } from '../../mesh/records.ts'
import { Faults, SecretSealed, SecretUnknown } from '../problems.ts'
import { canonical } from '../records.ts'
import type { Keyed, Store } from '../store/store.ts'
import { inspect, versionOf, type Inspected, type SecretContent } from './content.ts'
import type { Keyring } from './keyring.ts'

/** What people are shown of a secret. */
export interface ShownSecret extends Secret {
  namespace: string
  name: string
  author: string
  /** ISO 8601. */
  updatedAt: string
}

export interface SecretOutcome {
  outcome: 'created' | 'configured' | 'unchanged'
  secret: Secret
  warnings: Inspected['warnings']
}

const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`

/** TLS keypairs that Gateways name. They are sealed before they reach the store, and opened for pilots alone. */
export class Secrets implements Part {
  readonly name = 'secrets'
  readonly #store: Store
  readonly #keyring: Keyring
  readonly #log: Logger

  constructor(store: Store, keyring: Keyring, log: Logger) {
    this.#store = store
    this.#keyring = keyring
    this.#log = log
  }

  /** Seals with the newest key what an older one had sealed. */
  async start(): Promise<void> {
    const outdated = (await this.#store.secrets({})).filter(({ sealed }) => this.#keyring.outdated(sealed))
    let failed = 0
    for (const { namespace, name, sealed } of outdated) {
      const subject = keyOf(namespace, name)
      try {
        await this.#store.resealSecret(namespace, name, sealed, this.#keyring.seal(this.#keyring.open(sealed, subject), subject))
      } catch (error) {
        failed++
        this.#log.error({ secret: subject, reason: messageOf(error) }, 'secret cannot be opened')
      }
    }
    if (outdated.length) this.#log.info({ sealed: outdated.length - failed, failed }, 'secrets are encrypted with the newest key')
  }

  async stop(): Promise<void> {}

  /** Throws `Faults` with all that is wrong, `MESH_SECRETS_OFF`, `MESH_TOO_MANY_SECRETS`. */
  async set(namespace: string, name: string, content: SecretContent, author: string, most: number): Promise<SecretOutcome> {
    const { faults, warnings, names, expires } = inspect(content)
    if (faults.length) throw new Faults(faults)
    const secret: Secret = {
      version: versionOf(content),
      names,
      expires,
      holds: [...(content.certificate === undefined ? [] : ['keypair' as const]), ...(content.ca === undefined ? [] : ['ca' as const])],
    }
    const subject = keyOf(namespace, name)
    const before = await this.#record(subject)
    if (before?.value.version === secret.version && (await this.#opens(namespace, name))) return { outcome: 'unchanged', secret, warnings }
    const sealed = this.#keyring.seal(JSON.stringify(content), subject)
    await this.#store.putSecret({ namespace, name, sealed, author, at: Date.now() }, canonical(secret), most)
    return { outcome: before ? 'configured' : 'created', secret, warnings }
  }

  /** Throws `MESH_SECRET_UNKNOWN`. */
  async delete(namespace: string, name: string): Promise<void> {
    if (!(await this.#store.deleteSecret(namespace, name))) throw SecretUnknown(keyOf(namespace, name))
  }

  async list(filter: { namespace?: string; name?: string }): Promise<ShownSecret[]> {
    const found = await this.#store.secrets(filter)
    const records = new Map(
      (await this.#store.list('secret', { keys: found.map(({ namespace, name }) => keyOf(namespace, name)) })).map(({ key, value }) => [
        key,
        value,
      ]),
    )
    return found.flatMap(({ namespace, name, author, at }) => {
      const record = records.get(keyOf(namespace, name))
      return record ? [{ namespace, name, ...record, author, updatedAt: new Date(at).toISOString() }] : []
    })
  }

  /** The content, for a pilot. Throws `MESH_SECRET_UNKNOWN`, `MESH_SECRET_SEALED`. */
  async open(namespace: string, name: string): Promise<SecretContent & { version: string }> {
    const [found] = await this.#store.secrets({ namespace, name })
    if (!found) throw SecretUnknown(keyOf(namespace, name))
    const content = JSON.parse(this.#keyring.open(found.sealed, keyOf(namespace, name))) as SecretContent
    return { version: versionOf(content), ...content }
  }

  /** False where its key is lost, so that it is to be sealed again. */
  async #opens(namespace: string, name: string): Promise<boolean> {
    try {
      await this.open(namespace, name)
      return true
    } catch (error) {
      if ((error as { code?: string }).code === SecretSealed.code) return false
      throw error
    }
  }

  async #record(key: string): Promise<Keyed<'secret'> | undefined> {
    return (await this.#store.list('secret', { keys: [key] }))[0]
  }
}
