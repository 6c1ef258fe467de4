/** The API behind all of them: `/v1/BYTES` answers that many bytes. Tells its port to the parent. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const bodies = new Map<number, Buffer>()
const server = createServer((incoming, outgoing) => {
  const size = Number((incoming.url ?? '').split('/').at(-1))
  const body = bodies.get(size) ?? Buffer.alloc(size, '{"order":"R-1042"}')
  bodies.set(size, body)
  outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  outgoing.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
