import { setImmediate as breathe } from 'node:timers/promises'

/** Calls `work` for each item, and lets other work have its turn every 500 of them. */
export async function inSlices<Item>(items: Iterable<Item>, work: (item: Item) => void): Promise<void> {
  let done = 0
  for (const item of items) {
    work(item)
    if (++done % 500 === 0) await breathe()
  }
}
