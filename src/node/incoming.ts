/** What a request on Node's own server brings: its fields, its body, and whether the client is still there. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ClientSignal, IncomingHeaders, RequestBody } from '../runtime.ts'
import { bodyWasRead } from '../web-runtime.ts'
import { Upload } from './upload.ts'

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
  return new Upload(incoming, stallTimeoutMs)
}

const departure = Symbol('departure')

/** On the response itself, as what it holds (`respond.ts`). */
interface Watched extends ServerResponse {
  [departure]?: Departure
}

/**
 * Aborted when the connection closes before the answer is complete. Read from Node's own response: an `AbortController`
 * with the listeners of its signal takes four times as long, with every call. One for all calls to APIs in a call, or Node
 * warns of the eleventh listener.
 */
export function clientSignalOf(outgoing: Watched): ClientSignal {
  outgoing[departure] ??= new Departure(outgoing)
  return outgoing[departure]
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
    this.#outgoing.on('close', () => this.#onClose())
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
