/**
 * Keeps back what is sent through Node's response until it is known that it may be. Express and Fastify have no value for
 * an answer, as Hono has: it begins with the first of five methods that is called, and only there it can be stopped. What
 * goes before an answer (1xx, RFC 9110 §15.2) has methods of its own.
 */
import { eachField, fieldsOf, type NodeFields } from './node-fields.ts'

/** An `http.ServerResponse`, as far as it is used. */
export interface NodeResponse {
  statusCode: number
  statusMessage: string
  readonly headersSent: boolean
  getHeaders(): NodeFields
  removeHeader(name: string): void
  // biome-ignore lint/suspicious/noExplicitAny: Node's own overloads are handed on as they come
  writeHead(...args: any[]): any
  /** Node's other name for writeHead; HTTP/2 has none. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  writeHeader?(...args: any[]): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  write(...args: any[]): boolean
  // biome-ignore lint/suspicious/noExplicitAny: as above
  end(...args: any[]): any
  flushHeaders(): void
  writeContinue(done?: () => void): void
  // biome-ignore lint/suspicious/noExplicitAny: as above
  writeEarlyHints(...args: any[]): void
  /** HTTP/2 has none. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  writeProcessing?(...args: any[]): void
  /** Node 22 has none. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  writeInformation?(...args: any[]): unknown
  destroy(): unknown
}

export interface HeldAnswer {
  /** From now on what is sent is sent. */
  release(): void
  /** As `release`, because a policy has let the call in: its body is asked for, if that was wanted before. */
  letIn(): void
  /** What is sent is kept back again, if no answer has begun. */
  hold(): void
}

export interface BegunAnswer {
  readonly status: number
  readonly headers: Iterable<readonly [string, string]>
}

/**
 * @param instead gives what is sent in the place of an answer that is begun before the release
 * @param inFront fields that go with it
 */
export function holdAnswer(
  response: NodeResponse,
  instead: (answer: BegunAnswer) => Response,
  inFront: NodeFields,
): HeldAnswer {
  const { writeHead, writeHeader, write, end, flushHeaders, writeContinue } = response
  let state: 'held' | 'released' | 'replaced' = 'held'
  let wantsBody = false

  function replace(status = response.statusCode, fields: unknown = {}): void {
    state = 'replaced'
    const begun = [...headersOf(response.getHeaders(), pairsOf(fields))]
    const answer = insteadOrNothing({ status, headers: begun })
    const sent = answer.arrayBuffer().then((body) => {
      for (const name of Object.keys(response.getHeaders())) response.removeHeader(name)
      // Node then writes its own.
      response.statusMessage = ''
      const length = { 'Content-Length': body.byteLength }
      writeHead.call(response, answer.status, { ...fieldsOf(answer, inFront, begun), ...length })
      end.call(response, new Uint8Array(body))
    })
    // A listener for the head that was there before the guard may fail: nobody else would hear of the end.
    sent.catch(() => response.destroy())
  }

  /** A hook of the operator's that fails lets nothing out, and leaves nobody waiting. */
  function insteadOrNothing(answer: BegunAnswer): Response {
    try {
      return instead(answer)
    } catch {
      return new Response(null, { status: 403 })
    }
  }

  /** Whether the caller's own method is to be called. */
  function isReleased(begin: () => void): boolean {
    if (state === 'held') begin()
    return state === 'released'
  }

  function head(own: NodeResponse['writeHead']): NodeResponse['writeHead'] {
    return (...args) => {
      const [status, ...rest] = args
      return isReleased(() => replace(status, rest.at(-1))) ? own.apply(response, args) : response
    }
  }

  response.writeHead = head(writeHead)
  if (writeHeader) response.writeHeader = head(writeHeader)
  response.flushHeaders = () => {
    if (isReleased(() => replace())) flushHeaders.call(response)
  }
  response.write = (...args) => {
    if (isReleased(() => replace())) return write.apply(response, args)
    callBack(args)
    return true
  }
  response.end = (...args) => {
    if (isReleased(() => replace())) return end.apply(response, args)
    callBack(args)
    return response
  }
  for (const name of ['writeEarlyHints', 'writeProcessing', 'writeInformation'] as const) {
    const own = response[name]
    if (own === undefined) continue
    // Nobody may count on these: they are left out, and the answer follows as it would.
    response[name] = (...args) => (state === 'released' ? own.apply(response, args) : callBack(args))
  }
  response.writeContinue = (...args) => {
    if (state === 'released') return writeContinue.apply(response, args)
    wantsBody = true
    callBack(args)
  }

  function release(): void {
    if (state === 'held') state = 'released'
  }
  return {
    release,
    letIn() {
      release()
      if (wantsBody && state === 'released') writeContinue.call(response)
      wantsBody = false
    },
    hold() {
      if (state === 'released' && !response.headersSent) state = 'held'
    },
  }
}

/** Those of the head take the place of what was set before, whatever the case of their names. */
function headersOf(
  set: NodeFields,
  ofHead: readonly (readonly [string, unknown])[],
): Iterable<readonly [string, string]> {
  const named = new Set(ofHead.map(([name]) => name.toLowerCase()))
  const earlier = Object.entries(set).filter(([name]) => !named.has(name.toLowerCase()))
  return eachField([...earlier, ...ofHead])
}

/** What writeHead takes: an object, an array of names and values in turn, or one of pairs. */
function pairsOf(fields: unknown): (readonly [string, unknown])[] {
  if (typeof fields !== 'object' || fields === null) return []
  if (!Array.isArray(fields)) return Object.entries(fields)
  if (Array.isArray(fields[0])) return fields.map(([name, value]) => [String(name), value])
  const pairs: [string, unknown][] = []
  for (let index = 0; index + 1 < fields.length; index += 2) pairs.push([String(fields[index]), fields[index + 1]])
  return pairs
}

/** Whoever writes waits for this. */
function callBack(args: readonly unknown[]): void {
  const last = args.at(-1)
  if (typeof last === 'function') queueMicrotask(() => last())
}
