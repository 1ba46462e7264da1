import { randomUUID } from 'node:crypto'
import { Agent, get, request } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { meshDomain, type Death } from './platform.ts'
import type { Router } from './programs.ts'
import type { Outcome, Truth } from './truth.ts'

/** Longest that an answer may take, milliseconds: more than any pause of a program. */
const patience = 90_000
/** What a router may have sent before it could know that an app is dead, milliseconds. */
const slack = 250
const looksEvery = 200

export interface Tally {
  requests: number
  failed: number
  wrong: number
  /** Failed as they may: in flight in a router or app that was killed. */
  excused: number
  /** Number of each reason for a failure or wrong answer. */
  reasons: Map<string, number>
  /** Longest time to an answer, milliseconds. */
  slowest: number
}

interface Backend {
  router: Router
  agent: Agent
  healthy: boolean
  /** From when to when it was killed. */
  deaths: Death[]
}

/** Requests at a steady rate to the routers of one engine, over a balancer that looks at their health, each answer judged. */
export class Load {
  readonly engine: string
  readonly #truth: Truth
  readonly #killed: Map<string, Death[]>
  readonly #backends: Backend[]
  readonly #inFlight = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #running: Promise<unknown> | undefined
  #tally: Tally = blank()
  #next = 0

  /** `killed` tells when instances of an app were killed. */
  constructor(engine: string, routers: Router[], truth: Truth, killed: Map<string, Death[]>) {
    this.engine = engine
    this.#truth = truth
    this.#killed = killed
    this.#backends = routers.map((router) => ({
      router,
      agent: new Agent({ keepAlive: true, maxSockets: 256 }),
      healthy: true,
      deaths: [],
    }))
  }

  /** Begins; `rate` is requests a second. */
  start(rate: number): void {
    const { signal } = this.#stop
    const send = async (): Promise<void> => {
      const began = performance.now()
      for (let sent = 0; !signal.aborted; await delay(20, undefined, { signal }).catch(() => {})) {
        for (const due = ((performance.now() - began) / 1000) * rate; sent < due; sent++) {
          const one: Promise<void> = this.#one().finally(() => this.#inFlight.delete(one))
          this.#inFlight.add(one)
        }
      }
    }
    this.#running = Promise.all([send(), ...this.#backends.map((backend) => this.#look(backend))])
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await Promise.all(this.#inFlight)
    for (const { agent } of this.#backends) agent.destroy()
  }

  /** A router is being killed by `kill`: what is in flight there may fail. */
  async excuse(router: Router, kill: () => Promise<void>): Promise<void> {
    const death = { from: performance.now(), to: Infinity }
    this.#backends.find((backend) => backend.router === router)?.deaths.push(death)
    await kill()
    death.to = performance.now()
  }

  /** What has come since the last time; waits for what is in flight. */
  async take(): Promise<Tally> {
    await Promise.all(this.#inFlight)
    const tally = this.#tally
    this.#tally = blank()
    return tally
  }

  /** What a load balancer does: takes a router out when its health fails. */
  async #look(backend: Backend): Promise<void> {
    for (const { signal } = this.#stop; !signal.aborted; await delay(looksEvery, undefined, { signal }).catch(() => {})) {
      backend.healthy = await isHealthy(backend.router.probe)
    }
  }

  async #one(): Promise<void> {
    const { hosts } = this.#truth
    const host = hosts[Math.floor(Math.random() * hosts.length)]!
    const method = Math.random() < 0.2 ? 'POST' : 'GET'
    const id = randomUUID()
    const began = performance.now()
    const allowed = this.#truth.allowed(host)
    const tried: Backend[] = []
    const outcome = await this.#send(host, method, id, tried)
    const ended = performance.now()
    const verdict = this.#truth.judge(host, id, { began, allowed }, outcome)
    const tally = this.#tally
    tally.requests++
    tally.slowest = Math.max(tally.slowest, ended - began)
    if (verdict.kind === 'ok') return
    // A connection to a killed router takes with it whatever is put on it until its end is seen.
    const ofRouter = 'error' in outcome && tried.at(-1)?.deaths.some(({ from, to }) => (outcome.connected ?? began) <= to && from <= ended)
    const ofApp =
      method === 'POST' && [...allowed].some((app) => this.#killed.get(app)?.some(({ from, to }) => began - slack <= to && from <= ended))
    if (verdict.kind === 'failed' && (ofRouter || ofApp)) return void tally.excused++
    tally[verdict.kind]++
    const reason = `${tried.at(-1)?.router.program.name}: ${method}: ${verdict.reason}`
    tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1)
  }

  /** To a healthy router; to another where that one takes no connection. */
  async #send(host: string, method: string, id: string, tried: Backend[]): Promise<Outcome> {
    for (;;) {
      const left = this.#backends.filter((backend) => !tried.includes(backend))
      const healthy = left.filter((backend) => backend.healthy)
      const among = healthy.length ? healthy : left
      const backend = among[this.#next++ % among.length]
      if (!backend) return { error: 'no router takes connections' }
      tried.push(backend)
      const outcome = await exchange(backend, host, method, id)
      if (!('error' in outcome) || outcome.error !== 'ECONNREFUSED') return outcome
    }
  }
}

function exchange({ router, agent }: Backend, host: string, method: string, id: string): Promise<Outcome> {
  return new Promise((resolve) => {
    let connected: number | undefined
    const failed = (error: NodeJS.ErrnoException): void => resolve({ error: error.code ?? error.message, connected })
    const body = method === 'POST' ? 'x'.repeat(1000) : undefined
    const headers = { host: `${host}.${meshDomain}`, 'x-probe': id, ...(body && { 'content-length': body.length }) }
    const outgoing = request(
      { agent, host: '127.0.0.1', port: router.http, method, path: '/', headers, signal: AbortSignal.timeout(patience) },
      (answer) => {
        text(answer).then((content) => {
          const { app, instance, probe } =
            answer.statusCode === 200 ? (JSON.parse(content) as { app: string; instance: string; probe: string }) : {}
          resolve({ status: answer.statusCode ?? 0, app, instance, id: probe })
        }, failed)
      },
    )
    outgoing.on('error', failed)
    outgoing.on('socket', (socket) => {
      if (socket.connecting) born.set(socket, performance.now())
      connected = born.get(socket)
    })
    outgoing.end(body)
  })
}

/** When connections were begun, milliseconds of the monotonic clock. */
const born = new WeakMap<Socket, number>()

function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = get({ host: '127.0.0.1', port, path: '/health', agent: false, timeout: 1000 }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    asking.on('timeout', () => asking.destroy())
    asking.on('error', () => resolve(false))
  })
}

function blank(): Tally {
  return { requests: 0, failed: 0, wrong: 0, excused: 0, reasons: new Map(), slowest: 0 }
}
