/**
 * The deferred head. A handler never writes to Node's response: it holds the upstream's body here and returns a `Response`
 * with the head. When every middleware has had its turn, the server's fetch callback releases the body: it takes the head as
 * it is then, adds our cookies, writes it, and lets the body go straight through, if nobody has read it or put something in
 * its place.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { isEventStream } from '../fetch-transport.ts'
import { problemResponse, toCoatcheckError } from '../problem.ts'
import type { HeaderList, ResponseHead, UpstreamBody } from '../runtime.ts'
import { applyFields } from '../web-runtime.ts'
import { type CopiedAnswer, fieldsOfCopy, fieldsOfHeld } from './answer-fields.ts'
import { bodyUsed, ofAnotherCall } from './answer-mistakes.ts'
import { type HeldResponse, heldResponse, isCloneBody, isHeldBody, isHeldResponse, isUsed } from './held-response.ts'
import { ownAnswer } from './own-answer.ts'
import { isPipedBody } from './piped-body.ts'
import { type Content, cancelContent } from './send-body.ts'
import type { NodeUpstreamSocket } from './websocket.ts'
import { switchProtocols, writeAnswer } from './write-answer.ts'

interface Held {
  readonly response: HeldResponse
  readonly head: ResponseHead
  readonly body: UpstreamBody | null
  readonly finish: () => HeaderList | Promise<HeaderList>
  /** Held instead of a body: the upstream's side of a WebSocket. */
  readonly socket: NodeUpstreamSocket | undefined
}

/**
 * What the app's response is of an API's answer: `whole`, it or a copy, with its body byte for byte; `made` of its body, by
 * whoever has read that; the app's `own`, and nothing of it.
 */
type Part = 'whole' | 'made' | 'own'

const heldBodies = Symbol('held bodies')

/** On the response itself: a `WeakMap` of them takes longer, with each call and with each collection of garbage. */
interface Holding extends ServerResponse {
  [heldBodies]?: Held[] | 'released'
}

/** Says that `release` will be called for this response. */
export function announceRelease(outgoing: Holding): void {
  outgoing[heldBodies] = []
}

/** False under a server that is not ours: nobody would write what is held. */
export function canHold(outgoing: Holding): boolean {
  return outgoing[heldBodies] !== undefined
}

/** Keeps the body and gives the answer as a response that middleware may read, change and replace. */
export function hold(
  outgoing: Holding,
  head: ResponseHead,
  body: UpstreamBody | null,
  finish: Held['finish'],
  socket?: NodeUpstreamSocket,
): Response {
  const response = heldResponse(head.status, head.headers, body)
  const held = { response, head, body, finish, socket }
  const others = outgoing[heldBodies]
  // A middleware did not wait for it, such as `timeout()`: the client has another answer by now.
  if (others === 'released') letGo(held)
  else others?.push(held)
  return response
}

/** What is left to do with the app's response: itself, or nothing when it was an API's and is written now. */
export function release(
  incoming: IncomingMessage,
  outgoing: Holding,
  response: Response,
  onError: (error: unknown) => void,
): Response | Promise<Response> {
  const held = takeHeld(outgoing)
  const failed = (error: unknown): Response => {
    for (const one of held) cutOff(one)
    onError(error)
    if (outgoing.headersSent) {
      outgoing.destroy()
      return alreadySent
    }
    return failure(error)
  }
  if (held.length === 0) return isHeldResponse(response) ? failed(ofAnotherCall()) : response
  try {
    const chosen = chosenOf(held, response)
    const part = partOf(response, chosen)
    for (const one of held) {
      if (part === 'own' || (part === 'whole' && one !== chosen)) letGo(one)
    }
    const finished = (added: HeaderList): Response => {
      if (part === 'own') return withFields(ownAnswer(response, headsOf(held)), added)
      const fields =
        response === chosen.response
          ? fieldsOfHeld(response, added)
          : fieldsOfCopy(response, added, copied(part, chosen, held))
      const { socket, body, head } = chosen
      if (socket) {
        switchProtocols(outgoing, fields, socket)
        return alreadySent
      }
      const content = part === 'whole' ? contentOf(chosen) : (response.body as Content | null)
      if (part === 'made') dropBeside(chosen, response)
      writeAnswer(incoming, outgoing, response, fields, content, content === body ? head.trailers : undefined)
      if (content !== body) letGoAfter(outgoing, part === 'made' ? held : [chosen])
      return alreadySent
    }
    const added = chosen.finish()
    return added instanceof Promise ? added.then(finished).catch(failed) : finished(added)
  } catch (error) {
    return failed(error)
  }
}

/** Nearly always there is one. Else that whose body the response has, or that of whose body it may be made. */
function chosenOf(held: readonly Held[], response: Response): Held {
  const last = held.at(-1) as Held
  if (held.length === 1) return last
  const itself = held.find((one) => one.response === response)
  if (itself !== undefined) return itself
  const { body } = response
  if (body === null) return last
  return held.find((one) => one.response.gave(body)) ?? held.findLast((one) => one.response.wasRead) ?? last
}

/**
 * By the stream that is its body, for a status and fields are easily the same: an empty answer never gets the API's body.
 *
 * @throws Error `ANSWER_BODY_USED`, `ANSWER_OF_ANOTHER_CALL`
 */
function partOf(response: Response, held: Held): Part {
  const { response: original, head } = held
  if (response === original) {
    if (original.isUsed) throw bodyUsed()
    return 'whole'
  }
  if (isHeldResponse(response)) throw ofAnotherCall()
  const { body, status } = response
  if (body === null) return isEmptyCopy(response, held) ? 'whole' : 'own'
  const isIts = body === original.askedFor
  if (!isIts && isHeldBody(body)) throw ofAnotherCall()
  if (isUsed(body)) throw bodyUsed()
  if (isIts) return 'whole'
  if (isCloneBody(body)) return 'made'
  // Made of the body or not, an error or a redirect of a middleware's is its own.
  return original.wasRead && (status < 300 || status === head.status) ? 'made' : 'own'
}

/** Where the API's answer has no body, nor has a copy: of the same status, or of another for a success. */
function isEmptyCopy({ status, headers }: Response, { response: original, head, body, socket }: Held): boolean {
  const isSame = status === head.status
  if (socket === undefined) return body === null && (status < 300 || isSame)
  // What denies a handshake is a success without a body, too; it has not been agreed to by what the API answered.
  const accept = headers.get('sec-websocket-accept')
  return (
    isSame &&
    original.askedFor !== undefined &&
    accept !== null &&
    accept === original.headers.get('sec-websocket-accept')
  )
}

function copied(part: Part, chosen: Held, held: readonly Held[]): CopiedAnswer {
  return {
    theirs: chosen.head.headers,
    others: headsOf(held.filter((other) => other !== chosen)),
    isWhole: part === 'whole',
    hasBody: chosen.body !== null,
  }
}

/** Straight from the API, past the web stream that nobody has begun to read. */
function contentOf({ response, body }: Held): Content | null {
  return body !== null && isPipedBody(body) && !response.isCloned ? body : response.body
}

/** The app failed, or answers in another way: what it held is not wanted. */
export function drop(outgoing: Holding): void {
  for (const held of takeHeld(outgoing)) cutOff(held)
}

function takeHeld(outgoing: Holding): Held[] {
  const held = outgoing[heldBodies]
  outgoing[heldBodies] = 'released'
  return Array.isArray(held) ? held : []
}

/** Whoever still reads the body is told. */
function cutOff({ body, socket }: Held): void {
  body?.cancel()
  socket?.cancel()
}

/** Who reads a clone of it, as for a log, may go on; not for ever. */
function letGo(held: Held): void {
  const { response } = held
  const { askedFor } = response
  if (askedFor && response.isCloned && !response.isUsed && !isEventStream(response)) cancelContent(askedFor)
  else cutOff(held)
}

/** All of what nobody reads would wait in memory beside its clone that is sent. */
function dropBeside({ response: original }: Held, { body }: Response): void {
  if (body !== null && original.gave(body) && !original.isUsed) cancelContent(original.askedFor ?? null)
}

/** Somebody reads them for the client. */
function letGoAfter(outgoing: ServerResponse, held: readonly Held[]): void {
  const letAllGo = () => held.forEach(letGo)
  if (outgoing.destroyed) letAllGo()
  else outgoing.once('close', letAllGo)
}

function headsOf(held: readonly Held[]): HeaderList[] {
  return held.map(({ head }) => head.headers)
}

function withFields(response: Response, added: HeaderList): Response {
  applyFields(response.headers, added)
  return response
}

/** What is answered for an error that nobody has caught. */
export function failure(error: unknown): Response {
  return problemResponse(toCoatcheckError(error), problemFields)
}

/** The app's own error handler has had its turn; this is the rest that an error needs. */
const problemFields: HeaderList = [
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
