import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { freePort } from '../../test/support/program.ts'
import { Skipped } from '../part.ts'
import { program, type StartProxy } from './proxy.ts'

/** `httputil.ReverseProxy`, built from main.go beside this file, on as many cores as the machine has (GOMAXPROCS' default). */
export const go: StartProxy = async ({ instances: [{ address, guid }], port, files, folder }, host) => {
  const binary = join(folder, 'go-proxy')
  const built = spawnSync('go', ['build', '-o', binary, resolve(import.meta.dirname, 'main.go')], { encoding: 'utf8' })
  if (built.error) throw new Skipped('Go is not installed')
  if (built.status !== 0) throw new Error(built.stderr)
  const [http, https] = [await freePort(), await freePort()]
  const { client, server } = files
  const args = {
    http: `127.0.0.1:${http}`,
    https: `127.0.0.1:${https}`,
    target: `${address}:${port}`,
    name: guid,
    ca: files.ca,
    cert: client.certificate,
    key: client.key,
    'server-cert': server.certificate,
    'server-key': server.key,
    log: join(folder, 'go.access.log'),
  }
  return {
    name: 'Go ReverseProxy',
    http,
    https,
    host,
    ...program(
      binary,
      Object.entries(args).map(([name, value]) => `-${name}=${value}`),
    ),
  }
}
