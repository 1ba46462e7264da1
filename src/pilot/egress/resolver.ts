import { Resolver as Dns } from 'node:dns/promises'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { loop } from '../../common/loop.ts'
import { messageOf } from '../../common/problem.ts'

export interface Answer {
  addresses: string[]
  /** Seconds for which it holds. */
  ttl: number
}

export interface ResolverOptions {
  /** Names that are needed now. */
  wanted: () => Iterable<string>
  /** Told what a name leads to when that changes; an empty list where there is no such name. */
  resolved: (name: string, addresses: string[]) => void
  log: Logger
  /** DNS servers, `ADDRESS` or `ADDRESS:PORT`; those of the system where there are none. */
  servers?: string[]
  lookup?: (name: string) => Promise<Answer>
  /** Milliseconds between looks at what is wanted and due. */
  every?: number
}

/** Bounds of how long an answer is believed, and how soon a failed question is asked again, milliseconds. */
const times = { least: 5000, most: 60_000, retry: 5000 }
const atOnce = 20

/** Resolves the names of external services, as long as their records live. While DNS is away the last answers hold. */
export function resolver({ wanted, resolved, log, servers = [], lookup = lookUpAt(servers), every = 200 }: ResolverOptions): Part {
  const due = new Map<string, number>()
  const answers = new Map<string, string>()

  const ask = async (name: string): Promise<void> => {
    try {
      const { addresses, ttl } = await lookup(name)
      due.set(name, performance.now() + Math.min(times.most, Math.max(times.least, ttl * 1000)))
      const answer = addresses.toSorted().join()
      if (answers.get(name) === answer) return
      answers.set(name, answer)
      resolved(name, addresses.toSorted())
    } catch (error) {
      due.set(name, performance.now() + times.retry)
      log.warn({ name, reason: messageOf(error) }, 'cannot look up an external service; its last addresses hold')
    }
  }

  return loop('resolver', async () => {
    const names = new Set(wanted())
    for (const known of [due, answers]) for (const name of known.keys()) if (!names.has(name)) known.delete(name)
    const now = performance.now()
    const asked = [...names].filter((name) => (due.get(name) ?? 0) <= now).slice(0, atOnce)
    await Promise.all(asked.map(ask))
    return asked.length < atOnce ? every : 0
  })
}

const absent = ['ENOTFOUND', 'ENODATA']

/** IPv4 addresses, else IPv6. Throws where DNS does not answer. */
function lookUpAt(servers: string[]): (name: string) => Promise<Answer> {
  const dns = new Dns({ timeout: 2000, tries: 2 })
  if (servers.length) dns.setServers(servers)
  return async (name) => {
    for (const ask of [() => dns.resolve4(name, { ttl: true }), () => dns.resolve6(name, { ttl: true })]) {
      try {
        const records = await ask()
        return { addresses: records.map(({ address }) => address), ttl: Math.min(...records.map(({ ttl }) => ttl)) }
      } catch (error) {
        if (!absent.includes((error as { code?: string }).code ?? '')) throw error
      }
    }
    return { addresses: [], ttl: 0 }
  }
}
