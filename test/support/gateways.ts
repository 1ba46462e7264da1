import { createAuthority, issueCertificate, type CertificateOptions } from '../../src/common/pki.ts'
import type { GatewaySpec, Server, VirtualServiceSpec } from '../../src/mesh/istio/types.ts'
import { withEcdsaKey } from './ecdsa.ts'
import { typed, type Mesh, type TestRouter } from './mesh.ts'
import { revocationList } from './revocation.ts'

/** A Gateway for the router that is tested; the operator's with `namespace: 'mesh-system'`. */
export const gateway = (
  router: TestRouter,
  name: string,
  servers: Server[],
  namespace?: string,
): { metadata: object; spec: GatewaySpec } => ({
  ...typed('Gateway'),
  metadata: { name, ...(namespace !== undefined && { namespace }) },
  spec: { selector: { engine: router.engine }, servers },
})

/** A VirtualService that is bound to a Gateway. */
export const bound = (gatewayName: string, host: string, spec: Omit<VirtualServiceSpec, 'hosts'>, namespace?: string): object => ({
  ...typed('VirtualService'),
  metadata: { name: host.replaceAll('.', '-').replace('*', 'any'), ...(namespace !== undefined && { namespace }) },
  spec: { hosts: [host], gateways: [gatewayName], ...spec },
})

export const http = (...hosts: string[]): Server => ({ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts })
export const https = (tls: Server['tls'], ...hosts: string[]): Server => ({
  port: { number: 443, name: 'https', protocol: 'HTTPS' },
  hosts,
  tls,
})

/** A CA of a space's own: clients and servers trust nobody else. */
export class SpaceAuthority {
  readonly pair = createAuthority('a CA of the space')
  readonly ca = this.pair.certificate

  issue(commonName: string, options: Partial<CertificateOptions> = {}): { cert: string; key: string } {
    const { certificate, key } = issueCertificate(this.pair, { commonName, dns: [commonName], ...options })
    return { cert: certificate, key }
  }

  /** The same for an ECDSA key. */
  issueEcdsa(commonName: string): { cert: string; key: string } {
    const { certificate, key } = withEcdsaKey(this.pair, this.issue(commonName).cert)
    return { cert: certificate, key }
  }

  /** A list that revokes those of its certificates. */
  revoke(...certificates: string[]): string {
    return revocationList(this.pair, certificates)
  }

  /** Sets a secret of the test's space, or of the operator, for a host. */
  async set(mesh: Mesh, name: string, host: string, { mutual = false, namespace = 'space' } = {}): Promise<void> {
    const { cert, key } = this.issue(host)
    await mesh.call('PUT', `/v1/secrets/${namespace}/${name}`, { certificate: cert, key, ...(mutual && { ca: this.ca }) })
  }
}
