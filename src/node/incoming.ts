/** What a request on Node's own server brings: its fields, its body, and whether the client is still there. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished } from 'node:stream'
import type { ClientSignal, IncomingHeaders, RequestBody } from '../runtime.ts'
import { bodyWasRead } from '../web-runtime.ts'

/** Node joins repeated fields and keeps the first of those that may come once; all values are strings but one. */
export function headersOf(incoming: IncomingMessage): IncomingHeaders {
  const { headers } = incoming
  const setCookie = headers['set-cookie']
  const credentials = headers.authorization === undefined ? [] : linesOf(incoming.rawHeaders, 'authorization')
  if (setCookie === undefined && credentials.length < 2) return headers as IncomingHeaders
  return {
    ...(headers as IncomingHeaders),
    // A server that keeps the last would see other credentials than we: joined, they are none.
    ...(credentials.length > 1 && { authorization: credentials.join(', ') }),
    // Not a request's field; joined only so that the type holds.
    ...(setCookie && { 'set-cookie': setCookie.join(', ') }),
  }
}

function linesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)
}

/** The body, unread; null where the framing says that there is none (RFC 9112 §6.3). */
export function bodyOf(incoming: IncomingMessage, stallTimeoutMs: number): RequestBody | null {
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers
  if (encoding === undefined && (length === undefined || Number(length) === 0)) return null
  if (incoming.readableDidRead) throw bodyWasRead()
  return chunksOf(incoming, stallTimeoutMs)
}

/** A phone on a bad line sends more. */
const minBytesPerMs = 1

/**
 * Stopping half-way leaves the connection alone, so that an early answer still gets to the client. A client that
 * keeps us waiting, for the next piece or, in many small ones, on the whole, is cut off; time that the upstream takes
 * does not count.
 */
async function* chunksOf(incoming: IncomingMessage, stallTimeoutMs: number): AsyncGenerator<Uint8Array> {
  let wake = () => {}
  // Set in a callback, which the compiler does not follow.
  let outcome = 'open' as 'open' | 'ended' | Error
  const onReadable = () => wake()
  incoming.on('readable', onReadable)
  const forget = finished(incoming, { writable: false }, (error) => {
    outcome = error ?? 'ended'
    wake()
  })
  let waitedMs = 0
  let bytes = 0
  try {
    while (true) {
      const chunk: Buffer | null = incoming.destroyed ? null : incoming.read()
      if (chunk !== null) {
        bytes += chunk.byteLength
        yield chunk
        continue
      }
      if (outcome === 'ended') return
      if (outcome !== 'open') throw outcome
      const patienceMs = Math.max(0, Math.min(stallTimeoutMs, stallTimeoutMs + bytes / minBytesPerMs - waitedMs))
      const timer = setTimeout(() => incoming.destroy(new Error('The client stopped sending')), patienceMs)
      const began = performance.now()
      await new Promise<void>((resolve) => (wake = resolve))
      clearTimeout(timer)
      waitedMs += performance.now() - began
    }
  } finally {
    incoming.off('readable', onReadable)
    forget()
  }
}

/**
 * Aborted when the connection closes before the answer is complete. Read from Node's own response: an `AbortController`
 * with the listeners of its signal takes four times as long, with every call.
 */
export function clientSignalOf(outgoing: ServerResponse): ClientSignal {
  return new Departure(outgoing)
}

class Departure implements ClientSignal {
  readonly #outgoing: ServerResponse
  readonly #listeners = { abort: [] as (() => void)[], close: [] as (() => void)[] }
  #isListening = false

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing
  }

  get aborted(): boolean {
    return this.#outgoing.destroyed && !this.#outgoing.writableFinished
  }

  get reason(): DOMException {
    return new DOMException('The client went away', 'AbortError')
  }

  addEventListener(type: 'abort' | 'close', listener: () => void): void {
    this.#listeners[type].push(listener)
    if (this.#isListening) return
    this.#isListening = true
    this.#outgoing.once('close', () => this.#onClose())
  }

  removeEventListener(type: 'abort' | 'close', listener: () => void): void {
    const listeners = this.#listeners[type]
    const index = listeners.indexOf(listener)
    if (index >= 0) listeners.splice(index, 1)
  }

  #onClose(): void {
    const { abort, close } = this.#listeners
    for (const listener of this.aborted ? [...abort, ...close] : [...close]) listener()
  }
}
