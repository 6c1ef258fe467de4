/** Joins a client's WebSocket to another server's, byte by byte. */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import type { HeaderList } from '../runtime.ts'
import { refuse } from './server.ts'

export interface TunnelTarget {
  /** Scheme, host and port of the other server. */
  readonly origin: string
  /** Path and query of its handshake. */
  readonly target: string
  /** Fields besides those of the handshake itself. */
  readonly headers: HeaderList
}

/** Fields of the handshake that pass (RFC 6455 §4.1), both ways. */
const handshakeFields = [
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
]

/**
 * Sends the handshake on and, once the other server agrees, lets bytes pass both ways until one side ends.
 * A refusal of the other server is answered with its status alone; when it cannot be reached, with 502.
 *
 * `node:http` and not undici, whose `upgrade` makes an error of every other answer.
 */
export function tunnel(incoming: IncomingMessage, socket: Duplex, head: Buffer, to: TunnelTarget): void {
  const { protocol, hostname, port } = new URL(to.origin)
  const request = (protocol === 'https:' ? https : http).request({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? undefined : port,
    path: to.target,
    headers: { ...Object.fromEntries(to.headers), ...handshake(incoming), connection: 'Upgrade', upgrade: 'websocket' },
    agent: false,
  })
  const giveUp = () => request.destroy()
  socket.once('close', giveUp)
  request.once('upgrade', (response, upstream, upstreamHead) => {
    socket.off('close', giveUp)
    socket.write(switchingProtocols(response))
    join(socket, upstream)
    if (upstreamHead.byteLength > 0) socket.write(upstreamHead)
    if (head.byteLength > 0) upstream.write(head)
  })
  request.once('response', (response) => {
    response.destroy()
    refuse(socket, response.statusCode ?? 502)
  })
  request.on('error', () => {
    if (!socket.destroyed) refuse(socket, 502)
  })
  request.end()
}

function handshake(incoming: IncomingMessage): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const name of handshakeFields) {
    const value = incoming.headers[name]
    if (typeof value === 'string') fields[name] = value
  }
  return fields
}

function switchingProtocols(response: IncomingMessage): string {
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
  for (const [name, value] of Object.entries(handshake(response))) lines.push(`${name}: ${value}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Each side's end is the other's; a broken one takes the other with it. */
function join(client: Duplex, upstream: Duplex): void {
  client.pipe(upstream)
  upstream.pipe(client)
  for (const [side, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    side.on('error', () => other.destroy())
    side.once('close', () => other.destroy())
  }
}
