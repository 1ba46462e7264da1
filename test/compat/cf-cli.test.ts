import { test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import { emptyZip, Harness, type Answer, type Session } from '../foundation/harness.ts'
import type { Exchange } from '../support/recorder.ts'
import { recording } from './recording.ts'

type Line = { command: string } | Exchange
type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const { heading, lines } = recording<Line>('cf-cli')
const { domains } = heading as typeof heading & { domains: { apps: string; mesh: string } }
const guid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
/** Guids of what every foundation has from the start, such as its stack. */
const constant = /^00000000-/

/** The guids here of what had others in the recording, learned from where they stand in the answers. */
class Guids {
  readonly #here = new Map<string, string>()

  translate(text: string): string {
    return text.replace(guid, (there) => this.#here.get(there) ?? there)
  }

  learn(there: Json | undefined, here: Json | undefined): void {
    if (typeof there === 'string' && typeof here === 'string') {
      const found = here.match(guid) ?? []
      for (const [at, known] of (there.match(guid) ?? []).entries()) {
        const one = found[at]
        if (one && !constant.test(known) && !this.#here.has(known)) this.#here.set(known, one)
      }
    } else if (isObject(there) && isObject(here)) {
      for (const [name, value] of Object.entries(there)) this.learn(value, (here as Record<string, Json>)[name])
    }
  }
}

const isObject = (value: Json | undefined): value is Json[] | { [name: string]: Json } => typeof value === 'object' && value !== null

/** Where two answers differ in shape: another type, or a name that only one has. Empty maps and lists fit all of their kind. */
function differences(there: Json | undefined, here: Json | undefined, path = ''): string[] {
  if (there === here) return []
  if (there === undefined || here === undefined) return [`${path}: ${there === undefined ? 'only here' : 'only in the recording'}`]
  if (Array.isArray(there) && Array.isArray(here))
    return there.length === here.length
      ? there.flatMap((value, at) => differences(value, here[at], `${path}[${at}]`))
      : [`${path}: ${there.length} there, ${here.length} here`]
  if (isObject(there) && isObject(here) && !Array.isArray(there) && !Array.isArray(here)) {
    return [...new Set([...Object.keys(there), ...Object.keys(here)])].flatMap((name) =>
      differences(there[name], here[name], `${path}.${name}`),
    )
  }
  const kind = (value: Json): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value)
  return kind(there) === kind(here) ? [] : [`${path}: ${kind(there)} there, ${kind(here)} here`]
}

test(`the foundation answers what the ${heading.program} asks (${heading.version}, recorded ${heading.date})`, async (t) => {
  const harness = await Harness.start(t, {
    domains: [domains.apps, domains.mesh, 'apps.mesh.internal', 'apps.internal'].map((name) => ({
      name,
      internal: name.endsWith('.internal'),
    })),
  })
  harness.diego.staging = { processTypes: { web: 'npm start' }, buildpack: 'nodejs_buildpack' }
  const session = await harness.login()
  // What npm start makes for its user.
  const dev = await harness.target(session, 'dev', 'dev')
  t.ok(dev.space)

  const guids = new Guids()
  await makeUsers(harness, session, guids)
  let command = ''
  for (const line of lines) {
    if ('command' in line) {
      ;({ command } = line)
      continue
    }
    const answer = await settled(session, line, guids)
    const what = `${command}: ${line.method} ${line.path.replace(guid, 'GUID')}`
    guids.learn(line.location, answer.headers.get('location') ?? undefined)
    guids.learn(line.answer as Json, body(answer))
    if (!t.equal(answer.status, line.status, what)) t.comment(JSON.stringify(answer.body))
    // Nothing runs here, so that it may be done already what took time there.
    if (progress(line.answer).underWay && progress(line.answer).states !== progress(answer.body).states) continue
    t.same(
      differences(line.answer as Json, body(answer)).filter((difference) => !varies(difference)),
      [],
      `${what}: the same shape`,
    )
  }
})

const body = (answer: Answer): Json | undefined => (answer.body === '' ? undefined : (answer.body as Json))

/** The users that cf made at UAA, which was not recorded. */
async function makeUsers(harness: Harness, session: Session, guids: Guids): Promise<void> {
  for (const line of lines) {
    if ('command' in line || line.method !== 'POST' || line.path !== '/v3/users') continue
    const { guid, username } = line.answer as { guid: string; username: string }
    const made = await session('POST', `${harness.uaa}/Users`, { userName: username, password: 'secret', emails: [{ value: username }] })
    guids.learn(guid, made.body.id as string)
  }
}

/** What depends on apps that really run, and on how `npm start` configures the foundation. */
const varies = (difference: string): boolean => /usage|instance_ports|details|running_env_json/.test(difference)

/**
 * What tells how far something under way is: of a job, build or package its state, of a deployment its status, of instances all of theirs.
 */
function progress(body: unknown): { states: string; underWay: boolean } {
  const { state, status, resources } = (body ?? {}) as { state?: string; status?: { value?: string }; resources?: { state?: string }[] }
  const states = [state, status?.value, ...(Array.isArray(resources) ? resources.map((one) => one.state) : [])]
  return { states: states.join(), underWay: states.some((one) => underWay.has(one ?? '')) }
}

const underWay = new Set(['PROCESSING', 'PROCESSING_UPLOAD', 'STAGING', 'ACTIVE', 'STARTING', 'DOWN'])

/** Sends a recorded request; where it asks for something that was done and is under way here, again until it is done. */
async function settled(session: Session, line: Exchange, guids: Guids): Promise<Answer> {
  const there = progress(line.answer)
  for (const end = Date.now() + 5_000; ; await delay(10)) {
    const answer = await replay(session, line, guids)
    const waits = line.method === 'GET' && !there.underWay && progress(answer.body).underWay
    if (!waits || Date.now() > end) return answer
  }
}

function replay(session: Session, { method, path, type, body }: Exchange, guids: Guids): Promise<Answer> {
  if (body === 'bits') {
    const form = new FormData()
    form.set('resources', '[]')
    form.set('bits', new Blob([emptyZip]), 'app.zip')
    return session(method, guids.translate(path), form)
  }
  const content = body === undefined ? undefined : guids.translate(typeof body === 'string' ? body : JSON.stringify(body))
  return session(method, guids.translate(path), content, type ? { 'content-type': type } : {})
}
