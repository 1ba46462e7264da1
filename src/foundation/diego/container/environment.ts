import { accessSync, constants } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { DesiredProcess } from '../../diego.ts'

export interface InstancePort {
  /** The port that routes name, as inside a container. */
  container: number
  /** Where the app really listens. */
  host: number
  containerTls: number
  hostTls: number
}

export interface InstanceFacts {
  instanceGuid: string
  index: number
  address: string
  ports: InstancePort[]
  home: string
  tmp: string
  certificateFile: string
  keyFile: string
}

/** The environment of an instance, as Diego's launcher gives it: nothing of ours, the platform's variables over the user's. */
export function instanceEnvironment(process: DesiredProcess, facts: InstanceFacts): Record<string, string> {
  const { instanceGuid, index, address, ports, home, tmp, certificateFile, keyFile } = facts
  const port = ports[0]?.host
  return {
    LANG: 'en_US.UTF-8',
    PATH: searchPath,
    USER: 'vcap',
    ...process.environment,
    HOME: home,
    TMPDIR: tmp,
    MEMORY_LIMIT: `${process.memoryMb}m`,
    VCAP_APPLICATION: JSON.stringify({
      ...parseObject(process.environment['VCAP_APPLICATION']),
      instance_id: instanceGuid,
      instance_index: index,
      host: '0.0.0.0',
      ...(port === undefined ? {} : { port }),
    }),
    ...(port === undefined
      ? {}
      : { PORT: `${port}`, VCAP_APP_PORT: `${port}`, CF_INSTANCE_PORT: `${port}`, CF_INSTANCE_ADDR: `${address}:${port}` }),
    CF_INSTANCE_PORTS: JSON.stringify(
      ports.map((port) => ({
        external: port.host,
        internal: port.container,
        external_tls_proxy: port.hostTls,
        internal_tls_proxy: port.containerTls,
      })),
    ),
    CF_INSTANCE_GUID: instanceGuid,
    CF_INSTANCE_INDEX: `${index}`,
    INSTANCE_GUID: instanceGuid,
    INSTANCE_INDEX: `${index}`,
    CF_INSTANCE_IP: address,
    CF_INSTANCE_INTERNAL_IP: address,
    CF_INSTANCE_CERT: certificateFile,
    CF_INSTANCE_KEY: keyFile,
  }
}

/** Where commands are looked for: this Node first, then the system's folders, then npm's if it lies elsewhere. */
export const searchPath = [
  ...new Set([
    dirname(process.execPath),
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
    ...folderOf('npm'),
  ]),
].join(delimiter)

function folderOf(command: string): string[] {
  const folder = (process.env['PATH'] ?? '').split(delimiter).find((folder) => folder && isExecutable(join(folder, command)))
  return folder ? [folder] : []
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function parseObject(json: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json ?? '{}')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
