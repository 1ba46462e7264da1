import type { Socket } from 'node:net'
import type { BbsEvent, EventHub } from './events.ts'

/** A subscriber that leaves more than this unread is dropped, bytes. */
const maxUnread = 16 * 1024 * 1024

/**
 * Streams events on a raw socket, as the real server does: it has taken its connection from Go's HTTP server, and writes each chunk
 * header with an empty chunk extension (`<hex>;\r\n`), which Node's HTTP parser refuses. Actual LRPs' events can be filtered by cell.
 * Returns the function that ends the stream.
 */
export function streamEvents(hub: EventHub, socket: Socket, cellId: string): () => void {
  let id = 0
  const send = (event: BbsEvent): void => {
    if (cellId && event.cellId !== undefined && event.cellId !== cellId) return
    const message = `id: ${id++}\nevent: ${event.name}\ndata: ${event.data}\n\n`
    socket.write(`${message.length.toString(16)};\r\n${message}\r\n`)
    if (socket.writableLength > maxUnread) socket.destroy()
  }
  const unsubscribe = hub.subscribe(send)
  socket.once('close', unsubscribe)
  socket.setNoDelay(true)
  socket.write(
    [
      'HTTP/1.1 200 OK',
      'Cache-Control: no-cache, no-store, must-revalidate',
      'Connection: keep-alive',
      'Content-Type: text/event-stream; charset=utf-8',
      `Date: ${new Date().toUTCString()}`,
      'Transfer-Encoding: chunked',
      '\r\n',
    ].join('\r\n'),
  )
  return () => {
    unsubscribe()
    socket.end('0\r\n\r\n')
  }
}
