import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf'
import {
  type ActualLRPInstanceKey,
  type ActualLRPKey,
  ActualLRPLifecycleResponseSchema,
  ActualLRPsRequestSchema,
  CellsResponseSchema,
  ClaimActualLRPRequestSchema,
  CrashActualLRPRequestSchema,
  DesiredLRPLifecycleResponseSchema,
  DesiredLRPsRequestSchema,
  DesireLRPRequestSchema,
  DomainsResponseSchema,
  FailActualLRPRequestSchema,
  PingResponseSchema,
  RemoveActualLRPRequestSchema,
  RemoveDesiredLRPRequestSchema,
  RetireActualLRPRequestSchema,
  StartActualLRPRequestSchema,
  UpdateDesiredLRPRequestSchema,
  UpsertDomainRequestSchema,
  UpsertDomainResponseSchema,
} from '../../../common/proto/gen/bbs_pb.js'
import type { Bbs } from './bbs.ts'
import { BadRequest, InvalidField } from './errors.ts'
import type { Element } from './row.ts'

/** An answer: bytes of a message, or the elements of a list. */
export type Answer = Uint8Array | Element[]

/** What one path does with a request's body. Throws `BbsError`. */
export type Operation = (bbs: Bbs, body: Uint8Array) => Answer

/** The operations by path, as in cloudfoundry/bbs routes.go; every one is a POST. */
export const operations: Record<string, Operation> = {
  '/v1/ping': () => toBinary(PingResponseSchema, create(PingResponseSchema, { available: true })),
  '/v1/domains/list': ({ domains }) => toBinary(DomainsResponseSchema, create(DomainsResponseSchema, { domains: domains.fresh() })),
  '/v1/domains/upsert': write(UpsertDomainRequestSchema, UpsertDomainResponseSchema, ({ domains }, { domain, ttl }) => {
    if (!domain) throw InvalidField('domain')
    domains.upsert(domain, ttl)
  }),
  '/v1/cells/list.r1': ({ cells }) => toBinary(CellsResponseSchema, create(CellsResponseSchema, { cells: cells.presences() })),

  '/v1/desired_lrps/list.r3': read(DesiredLRPsRequestSchema, ({ desired }, filter) => desired.list(filter).map((row) => row.whole)),
  '/v1/desired_lrp_routing_infos/list': read(DesiredLRPsRequestSchema, ({ desired }, { processGuids }) =>
    desired.list({ processGuids }).map((row) => row.routing),
  ),
  '/v1/desired_lrp_scheduling_infos/list': read(DesiredLRPsRequestSchema, ({ desired }, filter) =>
    desired.list(filter).map((row) => row.scheduling),
  ),
  '/v1/desired_lrp/desire.r2': write(DesireLRPRequestSchema, DesiredLRPLifecycleResponseSchema, ({ desired }, { desiredLrp }) => {
    if (!desiredLrp) throw InvalidField('desired_lrp')
    desired.desire(desiredLrp)
  }),
  '/v1/desired_lrp/update': write(
    UpdateDesiredLRPRequestSchema,
    DesiredLRPLifecycleResponseSchema,
    ({ desired }, { processGuid, update }) => {
      if (!processGuid) throw InvalidField('process_guid')
      desired.update(processGuid, update)
    },
  ),
  '/v1/desired_lrp/remove': write(RemoveDesiredLRPRequestSchema, DesiredLRPLifecycleResponseSchema, ({ desired }, { processGuid }) => {
    if (!processGuid) throw InvalidField('process_guid')
    desired.remove(processGuid)
  }),

  '/v1/actual_lrps/list': read(ActualLRPsRequestSchema, ({ actual }, filter) => actual.list(filter).map((row) => row.element)),
  '/v1/actual_lrps/claim': write(
    ClaimActualLRPRequestSchema,
    ActualLRPLifecycleResponseSchema,
    ({ actual }, { processGuid, index, actualLrpInstanceKey }) => {
      if (!processGuid) throw InvalidField('process_guid')
      actual.claim(processGuid, index, instanceKey(actualLrpInstanceKey))
    },
  ),
  '/v1/actual_lrps/start.r1': write(StartActualLRPRequestSchema, ActualLRPLifecycleResponseSchema, ({ actual }, request) => {
    const key = lrpKey(request.actualLrpKey)
    const instance = instanceKey(request.actualLrpInstanceKey)
    if (!request.actualLrpNetInfo) throw InvalidField('actual_lrp_net_info')
    if (!request.actualLrpNetInfo.address) throw InvalidField('address')
    actual.start(key, instance, request)
  }),
  '/v1/actual_lrps/crash': write(
    CrashActualLRPRequestSchema,
    ActualLRPLifecycleResponseSchema,
    (bbs, { actualLrpKey, actualLrpInstanceKey, errorMessage }) => {
      bbs.crash(lrpKey(actualLrpKey), instanceKey(actualLrpInstanceKey), errorMessage)
    },
  ),
  '/v1/actual_lrps/fail': write(
    FailActualLRPRequestSchema,
    ActualLRPLifecycleResponseSchema,
    ({ actual }, { actualLrpKey, errorMessage }) => {
      if (!errorMessage) throw InvalidField('error_message')
      actual.fail(lrpKey(actualLrpKey), errorMessage)
    },
  ),
  '/v1/actual_lrps/remove': write(
    RemoveActualLRPRequestSchema,
    ActualLRPLifecycleResponseSchema,
    ({ actual }, { processGuid, index, actualLrpInstanceKey }) => {
      if (!processGuid) throw InvalidField('process_guid')
      if (index < 0) throw InvalidField('index')
      actual.remove(processGuid, index, actualLrpInstanceKey)
    },
  ),
  '/v1/actual_lrps/retire': write(RetireActualLRPRequestSchema, ActualLRPLifecycleResponseSchema, ({ desired }, { actualLrpKey }) => {
    const { processGuid, index } = lrpKey(actualLrpKey)
    desired.retire(processGuid, index)
  }),
}

/** A message out of a request's body; an empty body is the empty message. */
export function parse<Schema extends DescMessage>(schema: Schema, body: Uint8Array): MessageShape<Schema> {
  try {
    return fromBinary(schema, body)
  } catch {
    throw BadRequest()
  }
}

function read<Schema extends DescMessage>(schema: Schema, list: (bbs: Bbs, request: MessageShape<Schema>) => Element[]): Operation {
  return (bbs, body) => list(bbs, parse(schema, body))
}

function write<Schema extends DescMessage>(
  schema: Schema,
  answer: DescMessage,
  apply: (bbs: Bbs, request: MessageShape<Schema>) => void,
): Operation {
  const done = toBinary(answer, create(answer))
  return (bbs, body) => {
    apply(bbs, parse(schema, body))
    return done
  }
}

function lrpKey(key: ActualLRPKey | undefined): ActualLRPKey {
  if (!key) throw InvalidField('actual_lrp_key')
  const invalid = [!key.processGuid && 'process_guid', key.index < 0 && 'index', !key.domain && 'domain'].filter((field) => field !== false)
  if (invalid.length) throw InvalidField(...invalid)
  return key
}

function instanceKey(key: ActualLRPInstanceKey | undefined): ActualLRPInstanceKey {
  if (!key) throw InvalidField('actual_lrp_instance_key')
  const invalid = [!key.cellId && 'cell_id', !key.instanceGuid && 'instance_guid'].filter((field) => field !== false)
  if (invalid.length) throw InvalidField(...invalid)
  return key
}
