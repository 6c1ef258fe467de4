/** The limit: Node's own server and undici, the same header fields, the cookie dropped, a token attached. No checks. */
import { createServer } from 'node:http'
import { Pool } from 'undici'

const dropped = new Set(['cookie', 'host', 'connection', 'x-csrf', 'keep-alive'])

export function startRaw(port: number, upstream: string): Promise<void> {
  const pool = new Pool(upstream, { connections: 64 })
  const authorization = `Bearer ${'t'.repeat(700)}`
  const server = createServer((incoming, outgoing) => {
    const headers: string[] = ['authorization', authorization]
    const { rawHeaders } = incoming
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = (rawHeaders[index] as string).toLowerCase()
      if (!dropped.has(name)) headers.push(name, rawHeaders[index + 1] as string)
    }
    const path = (incoming.url ?? '').replace('/api/', '/v1/')
    pool
      .stream({ path, method: 'GET', headers, opaque: outgoing }, ({ statusCode, headers: answer }) => {
        outgoing.writeHead(statusCode, answer as Record<string, string>)
        return outgoing
      })
      .catch((error: Error) => outgoing.destroy(error))
  })
  server.keepAliveTimeout = 60_000
  return new Promise((resolve) => void server.listen(port, '127.0.0.1', resolve))
}
