/**
 * An API's answer as middleware sees it: a `Response` like any other. Its body is not there before somebody asks for it, and
 * takes nothing of the API before somebody reads it; until then it can go straight to the client.
 */
import { Readable } from 'node:stream'
import type { HeaderList, UpstreamBody } from '../runtime.ts'
import { FieldHeaders } from './field-headers.ts'

export interface HeldResponse extends Response {
  /** What was given as its body; undefined if nobody has asked for that. Once it was cloned, its own branch. */
  readonly askedFor: ReadableStream<Uint8Array> | null | undefined
  readonly isCloned: boolean
  /** Whether what was given is being read, or was. */
  readonly isUsed: boolean
  /** Whether that, or a clone's: something may have been made of the body. */
  readonly wasRead: boolean
  /** Whether it is its body, or that of a clone of it. */
  gave(stream: ReadableStream): boolean
}

type HeldResponseClass = new (status: number, headers: HeaderList, body: UpstreamBody | null) => HeldResponse

/** Made with the first answer: by then node-server has put its light `Response` in the place of the global one. */
let heldResponseClass: HeldResponseClass | undefined

/** Whose streams were given to middleware, in whatever call: a held response has one, and each of its clones. */
const givenTo = new WeakMap<ReadableStream, 'held' | 'clone'>()

const none: readonly ReadableStream[] = []

/** @param body null where the answer has none */
export function heldResponse(status: number, headers: HeaderList, body: UpstreamBody | null): HeldResponse {
  heldResponseClass ??= makeHeldResponseClass()
  return new heldResponseClass(status, headers, body)
}

export function isHeldResponse(response: Response): boolean {
  return heldResponseClass !== undefined && response instanceof heldResponseClass
}

/** Whether it is the body of a held response, of this call or another. */
export function isHeldBody(stream: ReadableStream): boolean {
  return givenTo.get(stream) === 'held'
}

/** Whether it is what `clone()` of one gave, of this call or another. */
export function isCloneBody(stream: ReadableStream): boolean {
  return givenTo.get(stream) === 'clone'
}

/** Whether somebody reads it, or has: nobody else can. */
export function isUsed(stream: ReadableStream): boolean {
  // It takes web streams too (Node's documentation); its type does not say so.
  return stream.locked || Readable.isDisturbed(stream as unknown as Readable)
}

function makeHeldResponseClass(): HeldResponseClass {
  return class extends Response implements HeldResponse {
    readonly #upstream: UpstreamBody | null
    #clones = none
    askedFor: ReadableStream<Uint8Array> | null | undefined = undefined

    constructor(status: number, headers: HeaderList, body: UpstreamBody | null) {
      super(null, { status, headers: new FieldHeaders([...headers]) })
      this.#upstream = body
    }

    override get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
      if (this.askedFor === undefined)
        this.askedFor = this.#upstream === null ? null : given('held', this.#upstream.stream())
      return this.askedFor as ReadableStream<Uint8Array<ArrayBuffer>> | null
    }

    /** Read or not: of a response whose body is still there hono's `c.header` makes a copy, fields and all, each time. */
    override get bodyUsed(): true {
      return true
    }

    get isCloned(): boolean {
      return this.#clones.length > 0
    }

    get isUsed(): boolean {
      return this.askedFor != null && isUsed(this.askedFor)
    }

    get wasRead(): boolean {
      return this.isUsed || this.#clones.some(isUsed)
    }

    gave(stream: ReadableStream): boolean {
      return stream === this.askedFor || this.#clones.includes(stream)
    }

    override clone(): Response {
      if (this.isUsed) throw new TypeError('The body has already been read.')
      const { body } = this
      if (body === null) return new Response(null, this)
      const [own, other] = body.tee()
      this.askedFor = given('held', own)
      this.#clones = [...this.#clones, other]
      return asClone(new Response(other, this))
    }

    override async arrayBuffer() {
      return this.#asAny().arrayBuffer()
    }

    override async blob() {
      return this.#asAny().blob()
    }

    override async bytes() {
      return this.#asAny().bytes()
    }

    override async formData() {
      return this.#asAny().formData()
    }

    override async json() {
      return this.#asAny().json()
    }

    override async text() {
      return this.#asAny().text()
    }

    /** One that has the body, to read it. */
    #asAny(): Response {
      return new Response(this.body, this)
    }
  }
}

/** Its own clones are clones, too: one that is kept is cloned each time that it is sent, and has another body from then on. */
function asClone(response: Response): Response {
  const cloneIt = response.clone
  const mark = () => response.body && given('clone', response.body)
  mark()
  const value = () => {
    const other = asClone(cloneIt.call(response))
    mark()
    return other
  }
  // Not assigned: that of node-server's light `Response` is not writable.
  return Object.defineProperty(response, 'clone', { value })
}

function given<Stream extends ReadableStream>(to: 'held' | 'clone', stream: Stream): Stream {
  givenTo.set(stream, to)
  return stream
}
