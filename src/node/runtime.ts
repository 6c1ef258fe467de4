/** The runtime on Node's own server: raw target, direct bodies, undici, the deferred head. */
import { hash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from 'hono'
import { ConfigError } from '../config/config-error.ts'
import { reportToConsole } from '../observability/events.ts'
import type { Clock, Runtime } from '../runtime.ts'
import { webRuntime } from '../web-runtime.ts'
import { nodeMistakes } from './config-mistakes.ts'
import { sendEarlyHints } from './early-hints.ts'
import { bodyOf, clientSignalOf, headersOf } from './incoming.ts'
import { checkUnlessDone } from './message-checks.ts'
import { nodeDeflate } from './raw-deflate.ts'
import { canHold, hold } from './respond.ts'
import { type NodeTransportOptions, nodeTransport } from './transport.ts'
import { upgradeOf } from './upgrade.ts'
import type { NodeUpstreamSocket } from './websocket.ts'

export interface NodeRuntimeOptions {
  /** Default: the system's clock. */
  clock?: Clock
  transport?: NodeTransportOptions
  /** How long a client may send nothing of a body that it announced. Default 60 s. */
  stallTimeoutMs?: number
  /** A WebSocket is closed after so long without a byte either way. Default: never. */
  webSocketIdleTimeoutMs?: number
  /** Gets what work handed to `waitUntil` failed with. Default: a line on standard error. */
  onError?: (error: unknown) => void
}

export interface NodeRuntime extends Runtime {
  /**
   * What the configuration says of answers under way at a time: the least, if it serves several; undefined where it says
   * nothing. For the server.
   */
  readonly maxRequests: number | undefined
  /** Resolves when no work handed to `waitUntil` is left. */
  settled(): Promise<void>
  /** Ends the connections to upstreams. */
  close(): Promise<void>
}

/** For `@hono/node-server`; under any other server it does as `webRuntime` does, with undici to the upstream. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): NodeRuntime {
  const web = webRuntime(options.clock === undefined ? {} : { clock: options.clock })
  const transport = nodeTransport({ clock: web.clock, ...options.transport })
  const stallTimeoutMs = options.stallTimeoutMs ?? 60_000
  const onError = options.onError ?? logError
  const pending = new Set<Promise<unknown>>()
  const tunnelOptions = {
    stallTimeoutMs,
    idleTimeoutMs: options.webSocketIdleTimeoutMs ?? 0,
  }

  let maxRequests: number | undefined

  return {
    clock: web.clock,
    transport,
    get maxRequests() {
      return maxRequests
    },
    prepare(config, report) {
      const mistakes = nodeMistakes(config)
      if (mistakes.length > 0) throw new ConfigError(mistakes)
      if (config.maxRequests !== undefined)
        maxRequests = Math.min(config.maxRequests, maxRequests ?? config.maxRequests)
      transport.prepare(config.upstreams, report)
    },
    earlyHints(c, fields) {
      const node = nodeSide(c)
      if (node !== undefined) sendEarlyHints(node.incoming, node.outgoing, fields)
    },
    checkMessage(c) {
      const node = nodeSide(c)
      if (node !== undefined) checkUnlessDone(node)
    },
    requestTarget: (c) => nodeSide(c)?.incoming.url ?? web.requestTarget(c),
    requestHeaders(c) {
      const node = nodeSide(c)
      return node === undefined ? web.requestHeaders(c) : headersOf(node.incoming)
    },
    requestBody(c) {
      const node = nodeSide(c)
      return node === undefined ? web.requestBody(c) : bodyOf(node.incoming, stallTimeoutMs)
    },
    peerAddress: (c) => nodeSide(c)?.incoming.socket.remoteAddress,
    clientSignal(c) {
      const node = nodeSide(c)
      return node === undefined ? web.clientSignal(c) : clientSignalOf(node.outgoing)
    },
    respond(c, head, body, finish) {
      const node = nodeSide(c)
      if (node === undefined || !canHold(node.outgoing)) return web.respond(c, head, body, finish)
      return hold(node.outgoing, head, body, finish)
    },
    // At once, where the web's way would take a thread for the microsecond that it needs.
    sha256: (text) => hash('sha256', text, 'base64url'),
    rawDeflate: nodeDeflate,
    waitUntil(_c, work) {
      const settled = work.catch(onError).finally(() => pending.delete(settled))
      pending.add(settled)
    },
    webSockets: {
      canOpen(c) {
        const node = nodeSide(c)
        return node !== undefined && canHold(node.outgoing) && upgradeOf(node.outgoing) !== undefined
      },
      connect: (request) => transport.connect(request, tunnelOptions),
      open(c, headers, socket, finish) {
        const { outgoing } = nodeSide(c) as { outgoing: ServerResponse }
        // A `Response` cannot have status 101; the server writes that.
        return hold(outgoing, { status: 200, headers }, null, finish, socket as NodeUpstreamSocket)
      },
    },
    hasSharedTimers: true,
    every(ms, work) {
      const timer = setInterval(work, ms).unref()
      return () => clearInterval(timer)
    },
    async settled() {
      while (pending.size > 0) await Promise.all(pending)
    },
    close: () => transport.close(),
  }
}

/** For errors that nobody is left to be told of. */
export function logError(error: unknown): void {
  reportToConsole({ event: 'request_failed', code: 'internal_error', cause: error })
}

interface NodeSide {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** What node-server hands in as the environment, if it is node-server. */
function nodeSide(c: Context): NodeSide | undefined {
  const env = c.env as Partial<NodeSide> | undefined
  return env?.incoming === undefined || env.outgoing === undefined ? undefined : (env as NodeSide)
}
