import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { Apps } from '../cli/dev/apps.ts'
import { Session, type Credentials } from '../cli/dev/session.ts'

const sample = resolve(import.meta.dirname, '../../examples/hello')

interface Population {
  organization: string
  space: string
  /** Push the sample app `hello`. */
  sample: boolean
}

/**
 * At the first start, makes the organization and the space in which a person begins, and the sample app. Answers whether
 * `hello` is started, so that its route is about to answer.
 */
export async function populate(credentials: Credentials, { organization, space, sample: wanted }: Population): Promise<boolean> {
  const cc = await new Session(credentials).signIn()
  try {
    const known = await cc.find(`/v3/organizations?names=${organization}`)
    if (known) return (await cc.list('/v3/apps?names=hello')).some(({ state }) => state === 'STARTED')
    const org = await cc.post('/v3/organizations', { name: organization })
    const { guid } = await cc.post('/v3/spaces', { name: space, relationships: { organization: { data: { guid: org.guid } } } })
    if (wanted) await new Apps(cc, guid).push({ name: 'hello', path: sample }, () => {})
    return wanted
  } finally {
    await cc.close()
  }
}

/** Waits until a router answers `url` at `host` with 200, for `limit` milliseconds at most: a person's first curl is to work. */
export async function answers(url: string, host: string, limit = 10_000): Promise<void> {
  for (const end = Date.now() + limit; Date.now() < end; await delay(50)) {
    const { statusCode, body } = await request(url, { headers: { host } })
    await body.dump()
    if (statusCode === 200) return
  }
}
