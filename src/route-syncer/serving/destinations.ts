import type { Destination } from '../../mesh/records.ts'

/** That a route sends to an app's process type, as either source says it. */
export interface Mapping {
  app: string
  type: string
  /** The app's port; absent where the source does not say, as BBS of internal routes. */
  port?: number
  protocol: 'http1' | 'http2'
  weight?: number
}

/** What Cloud Controller says of one route; without mappings where it is unmapped, deleted or unknown to it. */
export interface CloudWord {
  /** Tick at which the read that brought it began. */
  at: number
  mappings: Mapping[]
}

/** What one process of Diego says of that route. */
export interface ProcessWord {
  /** Process guid in Diego. */
  process: string
  app: string
  type: string
  /** Tick at which this version of the desired LRP was first seen; 0 where its routes could not be read. */
  at: number
  /** The desired LRP was removed, its last word still counts. */
  gone: boolean
  /** Its mappings for the route, empty where it does not list it. */
  mappings: Mapping[]
}

const defaultPort = 8080

/**
 * Where a route sends to, whichever source is ahead. For each process the newer of both words counts, whole: what it lists
 * is mapped, what it does not list is not. A mapping of Cloud Controller's to which no process belongs stays, without
 * instances (the app is stopped). Weights come from Cloud Controller alone. The result is in a fixed order.
 */
export function decideDestinations(cloud: CloudWord, processes: ProcessWord[]): Destination[] {
  const found = new Map<string, Destination>()
  const add = (mapping: Mapping, process?: string): void => {
    const { app, type, port = defaultPort, protocol, weight = weightOf(cloud, mapping) } = mapping
    const key = `${app}/${type}/${port}`
    const known = found.get(key)
    if (known) known.processes.push(...(process ? [process] : []))
    else found.set(key, { app, type, port, protocol, ...(weight && { weight }), processes: process ? [process] : [] })
  }

  for (const word of processes) {
    const clouds = cloud.mappings.filter(({ app, type }) => app === word.app && type === word.type)
    for (const mapping of word.at > cloud.at ? diegoIsNewer(word.mappings, clouds) : cloudIsNewer(word.mappings, clouds))
      add(mapping, word.gone ? undefined : word.process)
  }
  for (const mapping of cloud.mappings) {
    if (!processes.some(({ app, type }) => app === mapping.app && type === mapping.type)) add(mapping)
  }
  for (const destination of found.values()) destination.processes.sort()
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, destination]) => destination)
}

/** What Diego lists; where that names no port, Cloud Controller's ports. */
function diegoIsNewer(listed: Mapping[], clouds: Mapping[]): Mapping[] {
  return listed.flatMap((mapping) => (mapping.port === undefined && clouds.length ? clouds : [mapping]))
}

/**
 * What Cloud Controller has. Of the port it may know only a default, where none was asked for, while Diego knows the one in
 * use: a lone mapping on either side is the same one.
 */
function cloudIsNewer(listed: Mapping[], clouds: Mapping[]): Mapping[] {
  const [inUse, mapping] = [listed[0], clouds[0]]
  if (listed.length !== 1 || clouds.length !== 1 || !mapping || inUse?.port === undefined) return clouds
  return [{ ...mapping, port: inUse.port }]
}

function weightOf(cloud: CloudWord, { app, type, port }: Mapping): number | undefined {
  const same = cloud.mappings.filter((mapping) => mapping.app === app && mapping.type === type)
  return (same.find((mapping) => mapping.port === port) ?? same[0])?.weight
}
