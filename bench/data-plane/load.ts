import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { usageOf, usedSince } from '../meter.ts'
import { Skipped } from '../part.ts'
import { quantile } from '../stats.ts'
import type { Proxy } from './proxy.ts'

/** One way to ask. */
export interface Shape {
  protocol: 'HTTP' | 'HTTPS' | 'HTTP/2'
  connections: 'kept' | 'new'
  body: '1 KB' | '100 KB'
}

export const shapes: Shape[] = (['HTTP', 'HTTPS', 'HTTP/2'] as const).flatMap((protocol) =>
  (['kept', 'new'] as const).flatMap((connections) =>
    (['1 KB', '100 KB'] as const).map((body): Shape => ({ protocol, connections, body })),
  ),
)

export interface Measured {
  /** Microseconds of the proxy's CPU. */
  cpu: number
  /** Requests a second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export function requireTools(): void {
  for (const [tool, packageName] of [
    ['wrk', 'wrk'],
    ['h2load', 'nghttp2-client'],
  ] as const) {
    if (spawnSync(tool, ['--version']).error) throw new Skipped(`${tool} is not installed (apt-get install ${packageName})`)
  }
}

const clients = 16

/** Loads a proxy for some seconds. Throws where an answer is not 200. */
export async function load(proxy: Proxy, shape: Shape, seconds: number): Promise<Measured> {
  const path = shape.body === '1 KB' ? '/bytes/1000' : '/bytes/100000'
  const url = shape.protocol === 'HTTP' ? `http://127.0.0.1:${proxy.http}${path}` : `https://127.0.0.1:${proxy.https}${path}`
  const before = usageOf(proxy.pids())
  const { requests, ...rest } =
    shape.protocol === 'HTTP/2' ? await h2load(url, proxy.host, shape, seconds) : await wrk(url, proxy.host, shape, seconds)
  const { cpu } = usedSince(before, usageOf(proxy.pids()))
  return { cpu: (cpu * 1000) / requests, ...rest }
}

type Loaded = Omit<Measured, 'cpu'> & { requests: number }

async function wrk(url: string, host: string, { connections }: Shape, seconds: number): Promise<Loaded> {
  const close = connections === 'new' ? ['-H', 'Connection: close'] : []
  const output = await run('wrk', ['-t1', `-c${clients}`, `-d${seconds}s`, '--latency', '-H', `Host: ${host}`, ...close, url])
  if (/Non-2xx/.test(output)) throw new Error(`${url}: ${output}`)
  const requests = Number(/(\d+) requests in/.exec(output)?.[1])
  return {
    requests,
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]),
    p50: time(/^ +50%\s+(\S+)/m.exec(output)?.[1]),
    p99: time(/^ +99%\s+(\S+)/m.exec(output)?.[1]),
  }
}

/** A stream at a time on kept connections; or connections at a steady rate with one request each, since h2load knows no other way. */
async function h2load(url: string, host: string, { connections }: Shape, seconds: number): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), 'h2load-'))
  const log = join(folder, 'requests.tsv')
  const perSecond = 100
  const args =
    connections === 'kept'
      ? ['-c', String(clients), '-D', String(seconds)]
      : ['-c', String(perSecond * seconds), '-n', String(perSecond * seconds), '-r', String(perSecond)]
  const output = await run('h2load', ['-t1', '-m1', ...args, `--log-file=${log}`, '-H', `:authority: ${host}`, url])
  const lines = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number))
  rmSync(folder, { recursive: true })
  const wrong = lines.filter(([, status]) => status !== 200).length
  if (!lines.length || wrong) throw new Error(`${url}: ${wrong} of ${lines.length} answers are not 200: ${output}`)
  const times = lines.map(([, , microseconds = Number.NaN]) => microseconds / 1000)
  return { requests: lines.length, rate: lines.length / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

async function run(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return output
}

/** Milliseconds from how the tools write a time. */
function time(written = ''): number {
  const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(written) ?? []
  return Number(value) * ({ us: 1e-3, ms: 1, s: 1000 }[unit ?? ''] ?? Number.NaN)
}
