import { HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { Feature } from './feature.ts'

/** The path's one normal form, before anything decides by it; `normalizePath` in src/mesh is the same function. */
export const paths: Feature = {
  manager: () => ({ normalizePath: true, mergeSlashes: true, pathWithEscapedSlashesAction: EscapedSlashes.KEEP_UNCHANGED }),
}
