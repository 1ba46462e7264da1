import { connect, type Socket } from 'node:net'

/** How long an answer is waited for where there may rightly be none; milliseconds. */
const patience = 400

/** Sends bytes and the end of the stream, and answers what came back until the other end closed. */
export async function exchangeAndEnd(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = open(port)
  socket.end(bytes)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(chunks)
}

/** Sends bytes, and waits until `isAnswer` holds for what came back, the other end closed, or nothing more is to be expected. */
export async function exchange(
  port: number,
  bytes: Uint8Array,
  isAnswer: (received: Buffer) => boolean,
): Promise<{ received: Buffer; closed: boolean }> {
  const socket = open(port)
  socket.write(bytes)
  let received: Buffer = Buffer.alloc(0)
  let closed = false
  await new Promise<void>((resolve) => {
    const impatient = setTimeout(resolve, patience)
    const done = (): void => {
      clearTimeout(impatient)
      resolve()
    }
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (isAnswer(received)) done()
    })
    socket.once('close', () => {
      closed = true
      done()
    })
  })
  socket.destroy()
  return { received, closed }
}

/** A connection whose errors are the other end's right. */
export function open(port: number): Socket {
  return connect({ port, host: '127.0.0.1' }).on('error', () => {})
}
