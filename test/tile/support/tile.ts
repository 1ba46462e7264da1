import { fillIn } from '../../../scripts/tile/metadata.ts'
import { pins } from '../../../scripts/tile/releases.ts'
import type { Metadata } from '../../../scripts/tile/types.ts'

/** The tile's metadata, as a build with a mesh release 0.1.0+dev.1 fills it in. */
export function tile(): Metadata {
  return structuredClone(
    fillIn(
      '0.1.0',
      [{ name: 'mesh', version: '0.1.0+dev.1' }, ...pins()].map(({ name, version }) => ({ name, version, file: `${name}-${version}.tgz` })),
    ),
  )
}

/** What an operator must enter. */
export const required = {
  '.properties.istio_domain': '((mesh_domain))',
  '.properties.istio_frontend_tls_keypairs': [
    { name: 'default', certificate: { cert_pem: '((certificate))', private_key_pem: '((private_key))' } },
  ],
  '.properties.route_syncer_client_secret': '((route_syncer_secret))',
  '.properties.smoke_tests_client_secret': '((smoke_tests_secret))',
}

/** All that an operator can enter, each other than its default. */
export const everything = {
  ...required,
  '.properties.mirror': 'Enabled',
  '.istio_router.static_ips': '10.0.4.10,10.0.4.11',
  '.properties.minimum_tls_version': '1.3',
  '.properties.routing_shape': 'buckets',
  '.properties.trusted_hops': 2,
  '.properties.trusted_cidrs': '10.0.0.0/24,10.0.1.0/24',
  '.properties.drain_wait': 60,
  '.properties.access_log': false,
}
