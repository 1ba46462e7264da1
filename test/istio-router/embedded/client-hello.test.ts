import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import { test } from 'tap'
import { readClientHello } from '../../../src/istio-router/embedded/listener/client-hello.ts'

/** What Node sends first when it asks for a name. */
async function helloFor(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, servername }).on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  server.close()
  return hello
}

/** The same message in records of `size` bytes. */
function split(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  return Buffer.concat(
    Array.from({ length: Math.ceil(message.length / size) }, (_, i) => {
      const part = message.subarray(i * size, (i + 1) * size)
      return Buffer.concat([Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part])
    }),
  )
}

test('the name is read as soon as the message is whole, in how many records it ever comes', async (t) => {
  const hello = await helloFor('Shop.Example.test')
  const wanted = { tls: true, serverName: 'shop.example.test' }
  for (const bytes of [hello, split(hello, 7), split(hello, 100)]) {
    t.strictSame(readClientHello(bytes), wanted)
    t.strictSame(readClientHello(Buffer.concat([bytes, Buffer.from('more')])), wanted)
    for (let length = 0; length < bytes.length; length++) t.equal(readClientHello(bytes.subarray(0, length)), undefined)
  }
  t.strictSame(readClientHello(await helloFor('')), { tls: true, serverName: undefined })
})

test('what is no TLS, or broken, has no name and nothing throws', async (t) => {
  for (const text of ['GET / HTTP/1.1\r\n', 'ping', '\x16\x02', '\x17'])
    t.strictSame(readClientHello(Buffer.from(text, 'latin1')), { tls: false }, text)
  const hello = await helloFor('shop.example.test')
  for (let at = 5; at < hello.length; at++) {
    const damaged = Buffer.from(hello)
    damaged[at] = damaged[at]! ^ 0xff
    t.doesNotThrow(() => readClientHello(damaged))
  }
  t.strictSame(
    readClientHello(Buffer.concat([Buffer.from([22, 3, 1, 255, 255, 1, 255, 255, 255]), Buffer.alloc(70_000)])),
    { tls: false },
    'it is not waited for without end',
  )
})
