/** Writes a head and its body to a Node response, or joins a WebSocket. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isEventStream, mayHaveBody } from '../fetch-transport.ts'
import type { HeaderList, ResponseHead } from '../runtime.ts'
import { type Content, cancelContent, sendBody } from './send-body.ts'
import { upgradeOf } from './upgrade.ts'
import type { NodeUpstreamSocket } from './websocket.ts'

/** @param content is taken over, whether it can be sent or not */
export function writeAnswer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  response: Response,
  fields: HeaderList,
  content: Content | null,
  trailers: ResponseHead['trailers'],
): void {
  const { status } = response
  if (outgoing.destroyed) {
    cancelContent(content)
    return
  }
  const isHead = incoming.method === 'HEAD'
  const hasContent = content !== null && !isHead && mayHaveBody(status)
  // RFC 9110 §8.6: elsewhere it is of what follows, and where nothing does the next answer would be taken for it.
  const hasLength = hasContent || status === 304 || (isHead && status !== 204)
  const list = flat(fields, hasLength)
  if (hasContent && trailers?.announced && isChunked(incoming, list)) list.push('trailer', trailers.announced)
  outgoing.writeHead(status, list)
  if (!hasContent) {
    cancelContent(content)
    outgoing.end()
    return
  }
  // Node keeps a head for as long as its answer lasts: in one piece if it went by itself, and in thirty if not.
  if (isEventStream(response)) outgoing.flushHeaders()
  sendBody(outgoing, content, trailers)
}

export function switchProtocols(outgoing: ServerResponse, fields: HeaderList, socket: NodeUpstreamSocket): void {
  const upgrade = upgradeOf(outgoing)
  if (upgrade === undefined || outgoing.destroyed) {
    socket.cancel()
    return
  }
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  for (const [name, value] of fields) {
    if (!unforwarded.has(name) && !name.startsWith('content-')) lines.push(`${name}: ${value}`)
  }
  socket.join(upgrade, `${lines.join('\r\n')}\r\n\r\n`)
}

/** Node refuses to announce trailers where it could not send them: they need chunks (RFC 9112 §7.1.2). */
function isChunked(incoming: IncomingMessage, list: readonly string[]): boolean {
  const hasLength = list.some((text, index) => index % 2 === 0 && text === 'content-length')
  return !hasLength && incoming.httpVersion === '1.1'
}

/** Node writes the fields of the connection (RFC 9110 §7.6.1). */
const unforwarded = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function flat(fields: HeaderList, hasLength: boolean): string[] {
  const list: string[] = []
  for (const [name, value] of fields) {
    if (unforwarded.has(name)) continue
    if (name === 'content-length' && !hasLength) continue
    list.push(name, value)
  }
  return list
}
