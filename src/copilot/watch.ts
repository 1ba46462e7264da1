import { addAbortListener } from 'node:events'
import { Bell } from '../common/bell.ts'
import { kinds } from '../mesh/records.ts'
import type { Revision, Store, StoredChange } from './store/store.ts'

/** Records of one line of a snapshot. */
const recordsPerLine = 500

/**
 * The lines of one watch (contract 2 of docs/architecture.md), without end. What follows `from` is read from the store
 * only as the consumer asks for more. `sent` is told each revision that a line brings. Where nothing changes, a line comes
 * every `heartbeat` milliseconds.
 */
export async function* feed(
  store: Store,
  from: number | undefined,
  sent: (revision: number) => void,
  signal: AbortSignal,
  heartbeat = 5000,
): AsyncGenerator<string> {
  const { history } = store.state
  let revision = from
  let synced = false
  const bell = new Bell()
  using listening = new DisposableStack()
  listening.defer(store.onCommit(bell.ring))
  listening.use(addAbortListener(signal, bell.ring))
  while (!signal.aborted) {
    const revisions: Revision[] | undefined = revision === undefined ? undefined : await store.changesAfter(revision)
    if (!revisions) {
      revision = store.state.revision
      yield line({ snapshot: { history, revision } })
      yield* snapshot(store, revision)
      synced = false
      continue
    }
    for (const { revision: next, changes } of revisions) {
      yield `{"revision":${next},"changes":[${changes.map(encode).join()}]}\n`
      revision = next
      sent(next)
    }
    if (revisions.length) continue
    const changed = synced && (await bell.heard(heartbeat))
    if (changed) continue
    yield line({ synced: { history, revision } })
    sent(revision!)
    synced = true
  }
}

/** Every record that has not changed after `revision`; those that have come with the changes that follow. */
async function* snapshot(store: Store, revision: number): AsyncGenerator<string> {
  for (const kind of kinds) {
    let after = ''
    for (;;) {
      const records = await store.scan(kind, { upTo: revision }, { after, limit: recordsPerLine })
      if (records.length) yield `{"records":[${records.map(encode).join()}]}\n`
      if (records.length < recordsPerLine) break
      after = records.at(-1)!.key
    }
  }
}

const line = (value: object): string => `${JSON.stringify(value)}\n`
const encode = ({ kind, key, value }: StoredChange): string => `{"kind":"${kind}","key":${JSON.stringify(key)},"value":${value}}`
