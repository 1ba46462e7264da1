import type { Duplex } from 'node:stream'

/** What flows through a tunnel; `closed` comes once, when both sides are done or one broke. */
export interface TunnelEvents {
  received: (bytes: number) => void
  sent: (bytes: number) => void
  closed: () => void
}

/**
 * Joins two connections until both have ended, each direction no faster than it is taken; if one breaks so does the other. Returns a
 * function that breaks both.
 */
export function tunnel(client: Duplex, endpoint: Duplex, events: TunnelEvents): () => void {
  let open = 2
  let closed = false
  const close = (): void => {
    if (closed) return
    closed = true
    client.destroy()
    endpoint.destroy()
    events.closed()
  }
  const join = (from: Duplex, to: Duplex, count: (bytes: number) => void): void => {
    from.on('data', (chunk: Buffer) => {
      count(chunk.length)
      if (!to.write(chunk)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => {
      to.end(() => {
        if (--open === 0) close()
      })
    })
    from.on('error', close)
    from.on('close', () => {
      if (!from.readableEnded) close()
    })
    from.resume()
  }
  join(client, endpoint, events.received)
  join(endpoint, client, events.sent)
  return close
}
