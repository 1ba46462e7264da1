import type { ActualLRP } from '../../common/proto/gen/bbs_pb.js'
import type { Instance, InstancePort } from '../../mesh/records.ts'

/** Where BBS leaves open how a cell's instances are reached. */
export type PreferredAddress = 'HOST' | 'INSTANCE'

/** What the mesh keeps of an actual LRP that has a container. */
export interface Actual {
  guid: string
  domain: string
  evacuating: boolean
  /** Present while it can be sent requests: RUNNING and routable, which is so unless BBS denies it. */
  instance?: Instance
}

const evacuating = 1
const preferInstance = 1
const preferHost = 2

/** Names the row of BBS: while a cell is evacuated, one container can have two. */
export function actualKey({ guid, evacuating }: Pick<Actual, 'guid' | 'evacuating'>): string {
  return evacuating ? `${guid}/evacuating` : guid
}

/** Undefined for one that has no container yet. */
export function readActual(lrp: ActualLRP, fallback: PreferredAddress): Actual | undefined {
  const { actualLrpKey: key, actualLrpInstanceKey: instanceKey } = lrp
  if (!key?.processGuid || !instanceKey?.instanceGuid) return undefined
  const running = lrp.state === 'RUNNING' && lrp.routable !== false && key.index >= 0
  const reached = running ? reach(lrp, fallback) : undefined
  return {
    guid: instanceKey.instanceGuid,
    domain: key.domain,
    evacuating: lrp.presence === evacuating,
    ...(reached && {
      instance: {
        process: key.processGuid,
        index: key.index,
        ...reached,
        zone: lrp.availabilityZone,
        since: String(lrp.since > 0n ? lrp.since : 0n),
      },
    }),
  }
}

/** An instance's address and ports: the cell's with its host ports, or the container's own. Undefined where BBS gives none. */
function reach({ actualLrpNetInfo: net }: ActualLRP, fallback: PreferredAddress): { address: string; ports: InstancePort[] } | undefined {
  if (!net) return undefined
  const direct = net.preferredAddress === preferInstance || (net.preferredAddress !== preferHost && fallback === 'INSTANCE')
  const address = direct ? net.instanceAddress : net.address
  const usable = net.ports.filter((mapping) => Object.values(mapping).every((port) => typeof port !== 'number' || port <= 65_535))
  const ports = usable.map(({ containerPort, hostPort, containerTlsProxyPort, hostTlsProxyPort }) => ({
    app: containerPort,
    plain: direct ? containerPort : hostPort,
    tls: direct ? containerTlsProxyPort : hostTlsProxyPort,
  }))
  return address && ports.length ? { address, ports } : undefined
}
