/**
 * A client's connection whose request may become a WebSocket. The request goes through the app like any other, with a
 * `ServerResponse` of its own; whoever answers with 101 takes the connection over.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface Upgrade {
  /** The connection, with what came after the handshake put back, and free of HTTP. */
  take(): Socket
  /** What is to happen when the server shuts down: at once if it does already. */
  onShutdown(listener: () => void): void
  shutDown(): void
}

/** What a client may send ahead of the answer; it has no leave to send anything (RFC 6455 §4.1). */
const earlyLimitBytes = 64 * 1024

const upgrades = new WeakMap<ServerResponse, Upgrade>()

/** Undefined where the request is no WebSocket handshake, or another server than ours took it. */
export function upgradeOf(outgoing: ServerResponse): Upgrade | undefined {
  return upgrades.get(outgoing)
}

/** A response for a connection that Node has taken its own hands off. It is closed after the answer. */
export function responseFor(incoming: IncomingMessage, socket: Duplex): ServerResponse {
  const outgoing = new http.ServerResponse(incoming)
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket as Socket)
  socket.on('drain', () => outgoing.emit('drain'))
  outgoing.once('finish', () => (socket as Socket).destroySoon())
  return outgoing
}

export function offerUpgrade(outgoing: ServerResponse, duplex: Duplex, head: Buffer): Upgrade {
  const socket = duplex as Socket
  const early: Buffer[] = head.byteLength > 0 ? [head] : []
  let earlyBytes = head.byteLength
  // Read from now on, or a client that leaves before the answer would not be noticed.
  const onData = (chunk: Buffer) => {
    early.push(chunk)
    earlyBytes += chunk.byteLength
    if (earlyBytes > earlyLimitBytes) socket.pause()
  }
  const onEnd = () => {
    if (!outgoing.headersSent) socket.destroy()
  }
  socket.on('data', onData)
  socket.once('end', onEnd)
  let isShuttingDown = false
  let end = () => {}
  const upgrade: Upgrade = {
    onShutdown(listener) {
      end = listener
      if (isShuttingDown) end()
    },
    shutDown() {
      isShuttingDown = true
      end()
    },
    take() {
      socket.off('data', onData)
      socket.off('end', onEnd)
      socket.pause()
      outgoing.detachSocket(socket)
      // For those who wait for the end of the exchange: it is over.
      outgoing.emit('close')
      if (early.length > 0) socket.unshift(Buffer.concat(early))
      return socket
    },
  }
  upgrades.set(outgoing, upgrade)
  return upgrade
}
