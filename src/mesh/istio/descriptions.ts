import type { Field } from './fields.ts'

const share = 'The share of requests, 0 to 100 percent, in steps of 0.0001.'
const port = 'Number of the port.'

/** What Istio's schemas leave undescribed, by the end of a field's path; the first that fits counts. */
const descriptions: [end: string, description: string][] = [
  ['.exact', 'The whole value, letter for letter.'],
  ['.prefix', 'What the value begins with.'],
  ['percentage.value', share],
  ['mirrorPercentage.value', share],
  ['mirrorPercent', 'The share of requests that is mirrored, in whole percent. Deprecated: write mirrorPercentage.'],
  ['mirror_percent', 'As mirrorPercent. Deprecated: write mirrorPercentage.'],
  ['port.number', port],
  ['port.targetPort', 'Port of the endpoints.'],
  ['defaultEndpoint', 'An endpoint of the workload for traffic that no rule takes.'],
  ['tlsCertificates.caCertificates', 'File with the CAs of clients, for this certificate.'],
  ['corsPolicy.allowOrigin', 'Origins that may ask, letter for letter. Deprecated: write allowOrigins.'],
  ['body.string', 'The body as text.'],
  ['abort.http2Error', 'Error of HTTP/2 to end the stream with.'],
  ['delay.exponentialDelay', 'Mean of delays that are exponentially distributed.'],
  ['headers', 'Changes to headers.'],
  ['headers.request', 'Changes to the headers of requests, before they go to the service.'],
  ['headers.response', 'Changes to the headers of answers, before they go to the client.'],
  ['.add', 'Headers that are added to those that there are, by name.'],
  ['.set', 'Headers that take the place of those that there are, by name.'],
  ['.remove', 'Names of headers that are taken away.'],
  ['sourceSubnet', 'Subnet of the clients.'],
  ['connectionPool', 'Bounds on connections to the service, and on requests that wait or are under way.'],
  ['loadBalancer.consistentHash', 'Chooses the instance by a hash, so that what has the same key goes to the same one.'],
  ['localityLbSetting', 'Which zones are preferred, and where requests go when they fail.'],
  ['warmup.duration', 'Time in which a new instance comes to its whole share.'],
  ['warmup.minimumPercent', 'Percentage of its share that a new instance begins with.'],
  ['outlierDetection', 'When instances that fail are left out for a while.'],
  ['consecutiveErrors', 'Gateway errors in a row after which an instance is left out. Deprecated: write consecutiveGatewayErrors.'],
]

/** A field with its inner ones, each described. */
export function described(field: Field, path: string): Field {
  const description =
    field.description ?? descriptions.find(([end]) => path === end || path.endsWith(end.startsWith('.') ? end : `.${end}`))?.[1]
  return {
    ...field,
    ...(description === undefined ? {} : { description }),
    ...(field.fields && {
      fields: Object.fromEntries(Object.entries(field.fields).map(([name, inner]) => [name, described(inner, `${path}.${name}`)])),
    }),
    ...(field.of?.fields && { of: { ...field.of, fields: described(field.of, path).fields! } }),
  }
}
