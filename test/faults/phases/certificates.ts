import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { TestAuthority } from '../../support/pki.ts'
import { eventually } from '../../support/wait.ts'
import type { DistortedScene } from '../scene.ts'
import type { Phase } from './phase.ts'

/** New certificates for every program: each shows its new one within seconds, without a restart. */
async function replaceCertificates({ authority, programs }: DistortedScene, away: number): Promise<void> {
  const ports = [programs.copilotPort, programs.pilotPort, ...programs.routers.map(({ https }) => https)]
  const client = authority.issue('route-syncer')
  const shown = (port: number): Promise<string> => serial(port, authority, client)
  const before = await Promise.all(ports.map(shown))
  for (const name of ['copilot', 'pilot', 'istio-router']) authority.issue(name)
  authority.issue('router', { dns: ['*.mesh.test'], usages: ['server'] })
  authority.issue('backend', { dns: ['gorouter.service.cf.internal'] })
  await eventually(async () => (await Promise.all(ports.map(shown))).every((now, at) => now !== before[at]), 10_000)
  await delay(away)
}

async function serial(port: number, authority: TestAuthority, client: { certificate: string; key: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: '127.0.0.1',
        port,
        servername: 'x.mesh.test',
        ALPNProtocols: ['h2', 'http/1.1'],
        ca: authority.pair.certificate,
        cert: readFileSync(client.certificate),
        key: readFileSync(client.key),
        checkServerIdentity: () => undefined,
      },
      () => {
        resolve(new X509Certificate(socket.getPeerCertificate().raw).serialNumber)
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })
}

export const certificatePhases: Phase[] = [
  {
    name: 'certificate files replaced',
    short: true,
    run: (scene, { away }) => replaceCertificates(scene, away),
  },
]
