/**
 * The deferred head. A handler never writes to Node's response: it holds the upstream's body here and returns an
 * empty `Response` with the head. When every middleware has had its turn, the server's fetch callback releases
 * the body: it takes the head as it is then, adds our cookies, writes it, and lets the body go straight through.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { isEventStream, mayHaveBody } from '../fetch-transport.ts'
import { problemResponse, toCoatcheckError } from '../problem.ts'
import type { HeaderList, ResponseHead, UpstreamBody } from '../runtime.ts'
import { applyFields } from '../web-runtime.ts'
import { FieldHeaders } from './field-headers.ts'
import { marker, ownAnswer } from './own-answer.ts'
import { sendBody } from './send-body.ts'
import { upgradeOf } from './upgrade.ts'
import type { NodeUpstreamSocket } from './websocket.ts'

interface Held {
  readonly response: HeldResponse
  /** What its marker says. */
  readonly key: string
  readonly head: ResponseHead
  readonly body: UpstreamBody | null
  readonly finish: () => HeaderList | Promise<HeaderList>
  /** Held instead of a body: the upstream's side of a WebSocket. */
  readonly socket: NodeUpstreamSocket | undefined
}

const heldBodies = Symbol('held bodies')

/** The marker of one call says nothing in another, nor in another process that finds it in a cache. */
const ofThisProcess = randomUUID()
let lastKey = 0

/** On the response itself: a `WeakMap` of them takes longer, with each call and with each collection of garbage. */
interface Holding extends ServerResponse {
  [heldBodies]?: Held[] | 'released'
}

interface HeldResponse extends Response {
  /** Somebody may have a copy made of it: nothing else can. */
  readonly wasBodyAskedFor: boolean
}

type HeldResponseClass = new (head: ResponseHead, key: string) => HeldResponse

/** Made with the first answer: by then node-server has put its light `Response` in the place of the global one. */
let heldResponseClass: HeldResponseClass | undefined

/** An empty response whose body is spoken for. */
function makeHeldResponseClass(): HeldResponseClass {
  return class extends Response implements HeldResponse {
    wasBodyAskedFor = false

    constructor({ status, headers }: ResponseHead, key: string) {
      // Nothing behind us can bring the marker (`isAboutOurOrigin`), and it is never written (`unforwarded`).
      super(null, { status, headers: new FieldHeaders([...headers, [marker, key]]) })
    }

    // node-server's getters would make a whole `Response` to say so.
    override get body(): null {
      this.wasBodyAskedFor = true
      return null
    }

    override clone(): Response {
      this.wasBodyAskedFor = true
      return super.clone()
    }

    // The body is ours to send. Of a response whose body is still there, hono's `c.header` makes a copy each time.
    override get bodyUsed(): true {
      return true
    }
  }
}

/** Says that `release` will be called for this response. */
export function announceRelease(outgoing: Holding): void {
  outgoing[heldBodies] = []
}

/** False under a server that is not ours: nobody would write what is held. */
export function canHold(outgoing: Holding): boolean {
  return outgoing[heldBodies] !== undefined
}

/** Keeps the body and gives the head as a response that middleware may read, change and replace. */
export function hold(
  outgoing: Holding,
  head: ResponseHead,
  body: UpstreamBody | null,
  finish: Held['finish'],
  socket?: NodeUpstreamSocket,
): Response {
  heldResponseClass ??= makeHeldResponseClass()
  const key = `${ofThisProcess}.${++lastKey}`
  const response = new heldResponseClass(head, key)
  const held = { response, key, head, body, finish, socket }
  const others = outgoing[heldBodies]
  // A middleware did not wait for it, such as `timeout()`: the client has another answer by now.
  if (others === 'released') letGo(held)
  else others?.push(held)
  return response
}

/** What is left to do with the app's response: itself, or nothing when it was a held one and is written now. */
export function release(
  incoming: IncomingMessage,
  outgoing: Holding,
  response: Response,
  onError: (error: unknown) => void,
): Response | Promise<Response> {
  const held = takeHeld(outgoing)
  const key = response.headers.get(marker)
  const chosen = held.find((one) => one.response === response || one.key === key)
  for (const other of held) if (other !== chosen) letGo(other)
  if (chosen === undefined) return key === null ? response : ofAnotherCall(response, onError)
  const isOwn = response !== chosen.response && !isCopy(response, chosen)
  if (isOwn) letGo(chosen)
  const finished = (added: HeaderList): Response => {
    if (isOwn) {
      const own = ownAnswer(response, chosen.head.headers)
      applyFields(own.headers, added)
      return own
    }
    const fields = withFields(response, added)
    if (chosen.socket) switchProtocols(outgoing, fields, chosen.socket)
    else write(incoming, outgoing, response, fields, chosen)
    return alreadySent
  }
  const failed = (error: unknown): Response => {
    letGo(chosen)
    if (outgoing.headersSent) throw error
    onError(error)
    return problemResponse(toCoatcheckError(error), problemFields)
  }
  try {
    const added = chosen.finish()
    return added instanceof Promise ? added.then(finished).catch(failed) : finished(added)
  } catch (error) {
    return failed(error)
  }
}

/**
 * A copy has no body either, as little as what was copied; but nor has the answer of who denies a call after all
 * (`c.body(null, 403)`, `c.redirect()`), which must not get the API's. A copy is of the same status, or of another for a
 * success, and of a body that somebody asked for.
 */
function isCopy(response: Response, { response: original, head, body, socket }: Held): boolean {
  const isSame = response.status === head.status
  if (response.body !== null || (response.status >= 300 && !isSame)) return false
  if (socket !== undefined) return isSame && original.wasBodyAskedFor
  return body === null || original.wasBodyAskedFor
}

/** Kept by a middleware from another call, whose body went to its own client. */
function ofAnotherCall(response: Response, onError: (error: unknown) => void): Response {
  if (response.body !== null || !mayHaveBody(response.status)) return ownAnswer(response)
  // Of what is no error of ours the log has the code alone.
  const error = Object.assign(new Error('what a middleware kept of a proxied answer has no body'), {
    code: 'ANSWER_OF_ANOTHER_CALL',
  })
  onError(error)
  return problemResponse(toCoatcheckError(error), problemFields)
}

/** The app failed, or answers in another way: what it held is not wanted. */
export function drop(outgoing: Holding): void {
  for (const held of takeHeld(outgoing)) letGo(held)
}

function takeHeld(outgoing: Holding): Held[] {
  const held = outgoing[heldBodies]
  outgoing[heldBodies] = 'released'
  return Array.isArray(held) ? held : []
}

function letGo({ body, socket }: Held): void {
  body?.cancel()
  socket?.cancel()
}

function switchProtocols(
  outgoing: ServerResponse,
  fields: Iterable<readonly [string, string]>,
  socket: NodeUpstreamSocket,
): void {
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

function write(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  response: Response,
  fields: Iterable<readonly [string, string]>,
  { body, head: { trailers } }: Held,
): void {
  const { status } = response
  if (outgoing.destroyed) {
    body?.cancel()
    return
  }
  const isHead = incoming.method === 'HEAD'
  const content = isHead || !mayHaveBody(status) ? null : body
  // RFC 9110 §8.6: elsewhere it is of what follows, and where nothing does the next answer would be taken for it.
  const hasLength = content !== null || status === 304 || (isHead && status !== 204)
  const list = flat(fields, hasLength)
  if (content !== null && trailers?.announced && isChunked(incoming, list)) list.push('trailer', trailers.announced)
  outgoing.writeHead(status, list)
  if (content === null) {
    body?.cancel()
    outgoing.end()
    return
  }
  // Node keeps a head for as long as its answer lasts: in one piece if it went by itself, and in thirty if not.
  if (isEventStream(response)) outgoing.flushHeaders()
  sendBody(outgoing, content, trailers)
}

/** Node refuses to announce trailers where it could not send them: they need chunks (RFC 9112 §7.1.2). */
function isChunked(incoming: IncomingMessage, list: readonly string[]): boolean {
  const hasLength = list.some((text, index) => index % 2 === 0 && text === 'content-length')
  return !hasLength && incoming.httpVersion === '1.1'
}

/** Node writes the fields of the connection (RFC 9110 §7.6.1). */
const unforwarded = new Set([
  marker,
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function flat(fields: Iterable<readonly [string, string]>, hasLength: boolean): string[] {
  const list: string[] = []
  for (const [name, value] of fields) {
    if (unforwarded.has(name)) continue
    if (name === 'content-length' && !hasLength) continue
    list.push(name, value)
  }
  return list
}

/** The response's fields with ours: cookies beside those that are there, everything else in their place. */
function withFields({ headers }: Response, added: HeaderList): Iterable<readonly [string, string]> {
  applyFields(headers, added)
  return headers instanceof FieldHeaders ? headers.fields : headers
}

/** The app's own error handler has had its turn; this is the rest that an error needs. */
export const problemFields: HeaderList = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
]

/**
 * Tells node-server that the answer is written. A copy of the package's own constant, which anybody's middleware
 * may write headers into; this one only node-server sees. Reading `body` turns it into a plain `Response`: the
 * light one of node-server would be written.
 */
const alreadySent = new Response(null, RESPONSE_ALREADY_SENT)
void alreadySent.body
