import { create } from '@bufbuild/protobuf'
import { SecretSchema } from '../../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { encodeResource, type Resource } from '../../../common/xds/resources.ts'
import type { Credential, ServerTls } from '../../rules/credentials.ts'
import type { SecretContent } from '../../secret-keeper.ts'

export type Contents = (secret: string) => SecretContent | undefined

export const credentialsOf = ({ keypairs, ca }: ServerTls): Credential[] => [...keypairs, ...(ca ? [ca] : [])]

/** Whether all that a chain's TLS needs is here. */
export const hasContents = (tls: ServerTls, contents: Contents): boolean =>
  credentialsOf(tls).every((credential) => isHere(credential, contents))

export function isHere(credential: Credential, contents: Contents): boolean {
  if (!('secret' in credential)) return true
  const content = contents(credential.secret)
  return credential.part === 'ca' ? content?.ca !== undefined : content?.certificate !== undefined && content.key !== undefined
}

/** What a router gets by SDS: the contents of copilot's secrets; of files their names, for the router's agent to read. */
export function secretResource(credential: Credential, contents: Contents): Resource {
  const { name } = credential
  return encodeResource(SecretSchema, name, create(SecretSchema, { name, type: typeOf(credential, contents) }))
}

const inline = (text: string) => ({ specifier: { case: 'inlineString' as const, value: text } })
const file = (path: string) => ({ specifier: { case: 'filename' as const, value: path } })

function typeOf(credential: Credential, contents: Contents) {
  if ('files' in credential) {
    const { files } = credential
    if ('certificate' in files)
      return { case: 'tlsCertificate' as const, value: { certificateChain: file(files.certificate), privateKey: file(files.key) } }
    return {
      case: 'validationContext' as const,
      value: { trustedCa: file(files.ca), ...(files.crl === undefined ? {} : { crl: file(files.crl) }) },
    }
  }
  const { certificate = '', key = '', ca = '', crl } = contents(credential.secret)!
  if (credential.part === 'keypair')
    return { case: 'tlsCertificate' as const, value: { certificateChain: inline(certificate), privateKey: inline(key) } }
  return { case: 'validationContext' as const, value: { trustedCa: inline(ca), ...(crl === undefined ? {} : { crl: inline(crl) }) } }
}
