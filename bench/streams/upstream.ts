/** Gives as many bytes as it is asked for, takes as many as it gets, and holds event streams open in silence. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const chunk = Buffer.alloc(64 * 1024)

const server = createServer((incoming, outgoing) => {
  const url = new URL(incoming.url ?? '/', 'http://localhost')
  if (url.pathname.endsWith('/events')) {
    outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
    outgoing.write(': begun\n\n')
    return
  }
  if (incoming.method === 'POST') {
    let bytes = 0
    incoming.on('data', (data: Buffer) => {
      bytes += data.byteLength
    })
    incoming.on('end', () => outgoing.end(String(bytes)))
    return
  }
  let left = Number(url.searchParams.get('bytes'))
  outgoing.writeHead(200, { 'content-length': left, 'content-type': 'application/octet-stream' })
  const more = () => {
    while (left > 0) {
      const size = Math.min(left, chunk.byteLength)
      left -= size
      if (!outgoing.write(size === chunk.byteLength ? chunk : chunk.subarray(0, size)) && left > 0) {
        outgoing.once('drain', more)
        return
      }
    }
    outgoing.end()
  }
  more()
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
