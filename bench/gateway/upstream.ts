/**
 * The API behind all of them: `/v1/BYTES` answers that many bytes of JSON. On bare sockets, so that it takes little of
 * the core that it shares with the load. Tells its port to the parent.
 */
import { type AddressInfo, createServer } from 'node:net'

const answers = new Map<string, Buffer>()

function answerTo(head: string): Buffer {
  const size = /^GET \S*\/(\d+) /.exec(head)?.[1] ?? '0'
  const known = answers.get(size)
  if (known) return known
  const body = Buffer.alloc(Number(size), '{"order":"R-1042"}')
  const fields = [
    'Content-Type: application/json',
    `Content-Length: ${size}`,
    'Date: Wed, 25 Nov 2026 09:00:00 GMT',
    // Or whoever waits for a turn longer than undici keeps a connection would connect anew in each, and raw Node would not.
    'Keep-Alive: timeout=300',
  ].join('\r\n')
  const answer = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`), body])
  answers.set(size, answer)
  return answer
}

createServer((socket) => {
  let pending = ''
  socket.setNoDelay().on('error', () => socket.destroy())
  socket.setEncoding('latin1').on('data', (text: string) => {
    pending += text
    for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
      const head = pending.slice(0, end)
      pending = pending.slice(end + 4)
      socket.write(answerTo(head))
      if (/\r\nconnection: close/i.test(head)) socket.end()
    }
  })
}).listen(0, '127.0.0.1', function (this: { address(): unknown }) {
  process.send?.((this.address() as AddressInfo).port)
})
