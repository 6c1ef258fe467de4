/**
 * Keeps back what is sent through Node's response until it is known that it may be. Express and Fastify have no value for
 * an answer, as Hono has: it begins with the first of four methods that is called, and only there it can be stopped.
 */

/** An `http.ServerResponse`, as far as it is used. */
export interface NodeResponse {
  statusCode: number
  statusMessage: string
  getHeaders(): NodeJsHeaders
  removeHeader(name: string): void
  // biome-ignore lint/suspicious/noExplicitAny: Node's own overloads are handed on as they come
  writeHead(...args: any[]): any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  write(...args: any[]): boolean
  // biome-ignore lint/suspicious/noExplicitAny: as above
  end(...args: any[]): any
  flushHeaders(): void
  destroy(): unknown
}

type NodeJsHeaders = Readonly<Record<string, number | string | string[] | undefined>>

export interface HeldAnswer {
  /** From now on what is sent is sent. */
  release(): void
}

export interface BegunAnswer {
  readonly status: number
  readonly headers: Iterable<readonly [string, string]>
}

/**
 * @param instead gives what is sent in the place of an answer that is begun before the release. Fields that were set
 *   before this call go with it.
 */
export function holdAnswer(response: NodeResponse, instead: (answer: BegunAnswer) => Response): HeldAnswer {
  const { writeHead, write, end, flushHeaders } = response
  const fieldsBefore = { ...response.getHeaders() }
  let state: 'held' | 'released' | 'replaced' = 'held'

  function replace(status = response.statusCode, fields: unknown = {}): void {
    state = 'replaced'
    const answer = insteadOrNothing({ status, headers: headersOf({ ...response.getHeaders(), ...Object(fields) }) })
    const sent = answer.arrayBuffer().then((body) => {
      for (const name of Object.keys(response.getHeaders())) response.removeHeader(name)
      // Node then writes its own.
      response.statusMessage = ''
      const length = { 'Content-Length': body.byteLength }
      writeHead.call(response, answer.status, { ...fieldsBefore, ...Object.fromEntries(answer.headers), ...length })
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

  response.writeHead = (...args) => {
    const [status, ...rest] = args
    return isReleased(() => replace(status, rest.at(-1))) ? writeHead.apply(response, args) : response
  }
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
  return {
    release() {
      if (state === 'held') state = 'released'
    },
  }
}

function* headersOf(fields: NodeJsHeaders): Iterable<readonly [string, string]> {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) for (const one of [value].flat()) yield [name, String(one)]
  }
}

/** Whoever writes waits for this. */
function callBack(args: readonly unknown[]): void {
  const last = args.at(-1)
  if (typeof last === 'function') queueMicrotask(() => last())
}
