import { test } from 'tap'
import { checkText } from '../../../src/mesh/istio/check.ts'

/** What Istio's users bring along: the group in capitals, `Istio:` as selector, paths of certificates, zeros of a pool. */
const gateway = `
apiVersion: networking.Istio.io/v1alpha3
kind: Gateway
metadata: {name: shop-gateway}
spec:
  selector: {Istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.mesh.test]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [shop.mesh.test]
    tls: {mode: SIMPLE, serverCertificate: /tmp/tls.crt, privateKey: /tmp/tls.key}
`
const rule = `
apiVersion: networking.Istio.io/v1beta1
kind: DestinationRule
metadata: {name: shop}
spec:
  host: shop.dev.svc.cluster.local
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1, maxRetries: 0}}, outlierDetection: {consecutiveErrors: 2, interval: 1s, baseEjectionTime: 3m, maxEjectionPercent: 100}}
  subsets: [{name: v1, labels: {version: v1}}]
`
const findings = (text: string, namespace: string, severity: string) =>
  checkText(text, namespace).flatMap((one) =>
    one.findings.filter((finding) => finding.severity === severity && finding.code !== 'MESH_FIELD_PLANNED').map(({ path }) => path),
  )

test('the group in capitals and the selector Istio are read in small letters, with a warning each', (t) => {
  t.strictSame(findings(gateway, 'mesh-system', 'error'), [])
  t.strictSame(findings(gateway, 'mesh-system', 'warning'), ['apiVersion', 'spec.selector.Istio'])
  const [checked] = checkText(gateway, 'mesh-system')
  t.match(checked!.resource, { apiVersion: 'networking.istio.io/v1', spec: { selector: { istio: 'ingressgateway' } } })
  t.end()
})

test("files of certificates are the operator's", (t) => {
  t.strictSame(findings(gateway, 'space', 'error'), ['spec.servers[1].tls.serverCertificate', 'spec.servers[1].tls.privateKey'])
  t.end()
})

test('maxRetries: 0 is accepted, and said to mean nothing', (t) => {
  t.strictSame(findings(rule, 'space', 'error'), [])
  t.ok(findings(rule, 'space', 'warning').includes('spec.trafficPolicy.connectionPool.http.maxRetries'))
  t.end()
})

test('kinds that do not apply are refused by name, with what to do instead', (t) => {
  for (const kind of [
    'Sidecar',
    'EnvoyFilter',
    'PeerAuthentication',
    'RequestAuthentication',
    'AuthorizationPolicy',
    'Deployment',
    'Service',
    'ServiceMeshMemberRoll',
    'HTTPRoute',
  ]) {
    const [checked] = checkText(`apiVersion: x/v1\nkind: ${kind}\nmetadata: {name: a}\n`, 'space')
    t.match(
      checked!.findings,
      [{ severity: 'error', code: 'MESH_KIND_REFUSED', path: 'kind', message: new RegExp(`^${kind} is not accepted: .{10}`) }],
      kind,
    )
  }
  t.end()
})
