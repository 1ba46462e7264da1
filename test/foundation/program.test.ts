import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { stringify } from 'yaml'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { until } from './harness.ts'

const main = join(import.meta.dirname, '../../src/foundation/main.ts')

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('what was answered is there after the program was killed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'foundation-'))
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const authority = createAuthority('test')
  const server = issueCertificate(authority, { commonName: 'bbs', ips: ['127.0.0.1'] })
  const [ca, caKey, certificate, key] = [
    file('ca.crt', authority.certificate),
    file('ca.key', authority.key),
    file('server.crt', server.certificate),
    file('server.key', server.key),
  ]
  const [health, http, uaa] = [await freePort(), await freePort(), await freePort()]
  const config = file(
    'foundation.yml',
    stringify({
      health: { listen: { port: health } },
      data: join(folder, 'data'),
      cloudController: { http: { port: http } },
      uaa: { http: { port: uaa } },
      bbs: { listen: { port: 0 }, tls: { certificate, key, ca } },
      admin: { password: 'secret' },
      cells: { ca, caKey, routerCa: ca },
    }),
  )

  const running: ChildProcess[] = []
  const gone = (child: ChildProcess) =>
    until(
      () => child.exitCode ?? child.signalCode,
      (end) => end !== null,
    )
  t.teardown(async () => {
    for (const child of running) child.kill('SIGKILL')
    await Promise.all(running.map(gone))
    rmSync(folder, { recursive: true, force: true })
  })
  const start = async () => {
    const child = spawn(process.execPath, [main, '--config', config], { stdio: ['ignore', 'ignore', 'inherit'] })
    running.push(child)
    const ready = async () => (await fetch(`http://127.0.0.1:${health}/ready`).catch(() => undefined))?.status
    await until(ready, (status) => status === 200, 30_000)
    const headers = { authorization: `Basic ${Buffer.from('cf:').toString('base64')}` }
    const body = new URLSearchParams({ grant_type: 'password', username: 'admin', password: 'secret' })
    const { access_token: token } = (await (
      await fetch(`http://127.0.0.1:${uaa}/oauth/token`, { method: 'POST', headers, body })
    ).json()) as { access_token: string }
    const call = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `bearer ${token}`, 'content-type': 'application/json' }
      return (await (
        await fetch(`http://127.0.0.1:${http}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      ).json()) as any
    }
    return { child, call }
  }

  const first = await start()
  const { guid } = await first.call('POST', '/v3/organizations', { name: 'kept' })
  first.child.kill('SIGKILL')
  await gone(first.child)
  const second = await start()
  t.match(await second.call('GET', `/v3/organizations/${guid}`), { name: 'kept' })
  t.match(await (await fetch(`http://127.0.0.1:${health}/metrics`)).text(), /component="foundation"/)
  second.child.kill('SIGTERM')
  t.equal(await gone(second.child), 0, 'it stops cleanly')
  t.notMatch(readFileSync(join(folder, 'data/foundation.db')).toString('latin1'), /"secret"/, 'and keeps no password as it is')
})
