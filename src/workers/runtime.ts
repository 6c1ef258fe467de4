/** The runtime on Workers: the client's address is what Cloudflare says it is, and bodies pass as they are. */
import type { Clock, Runtime } from '../runtime.ts'
import { webRuntime } from '../web-runtime.ts'
import { requireSharedStore } from './shared-store.ts'
import { workerWebSockets } from './websocket.ts'

export interface WorkersRuntimeOptions {
  /** Default: the system's clock. */
  clock?: Clock
}

/**
 * For a Hono app of one's own on Workers; `worker()` has it already. There, hand each answer to
 * `executionCtx.waitUntil` as well, as `worker()` does: requests share promises (discovery, a refresh), and a promise
 * dies with the request that owns it.
 */
export function workersRuntime(options: WorkersRuntimeOptions = {}): Runtime {
  const web = webRuntime({ ...options, contentEncoding: 'kept' })
  return {
    ...web,
    // Set by Cloudflare on every request, over whatever came with it.
    peerAddress: (c) => web.requestHeaders(c)['cf-connecting-ip'],
    webSockets: workerWebSockets,
    prepare(config, report) {
      web.prepare(config, report)
      requireSharedStore(config)
    },
  }
}
