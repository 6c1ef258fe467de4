/**
 * A client's body on its way to an upstream. A stream of its own, since whoever is given a stream destroys it when an
 * upstream answers early, and with the client's own goes its connection, before it has read the answer.
 */
import type { IncomingMessage } from 'node:http'
import { finished, Readable } from 'node:stream'

/** A phone on a bad line sends more. */
const minBytesPerMs = 1

/**
 * A client that keeps us waiting, for the next piece or, in many small ones, on the whole, is cut off; time that the
 * upstream takes does not count. Nothing is read of the client, and nothing is asked of it, before somebody reads here.
 */
export class Upload extends Readable {
  /** What broke it off at the client's end. */
  clientError: Error | undefined
  readonly #incoming: IncomingMessage
  readonly #stallTimeoutMs: number
  #forget: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #waitingSince: number | undefined
  #waitedMs = 0
  #bytes = 0

  constructor(incoming: IncomingMessage, stallTimeoutMs: number) {
    super()
    this.#incoming = incoming
    this.#stallTimeoutMs = stallTimeoutMs
    // Whoever reads is told as well; where nobody does any more, this is nothing to end the process for.
    this.on('error', () => undefined)
  }

  override _read(): void {
    if (this.#forget === undefined) this.#listen()
    this.#beginToWait()
    this.#incoming.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#endToWait()
    clearTimeout(this.#timer)
    this.#forget?.()
    this.#incoming.off('data', this.#onData)
    // With nobody who listens it would run on, and what it brings would be lost: the server drains it after the answer.
    this.#incoming.pause()
    callback(error)
  }

  #listen(): void {
    this.#incoming.on('data', this.#onData)
    this.#forget = finished(this.#incoming, { writable: false }, (error) => {
      this.#endToWait()
      if (error == null) return void this.push(null)
      this.clientError = error
      this.destroy(error)
    })
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#endToWait()
    this.#bytes += chunk.byteLength
    if (this.push(chunk)) this.#beginToWait()
    else this.#incoming.pause()
  }

  #beginToWait(): void {
    if (this.#waitingSince !== undefined) return
    this.#waitingSince = performance.now()
    // One that is set ends no later than this wait may, and looks again then. One for each piece costs more than the piece.
    if (this.#timer === undefined) this.#setTimer(this.#waitingSince + this.#patienceMs())
  }

  #endToWait(): void {
    if (this.#waitingSince === undefined) return
    this.#waitedMs += performance.now() - this.#waitingSince
    this.#waitingSince = undefined
  }

  /** How long this wait may take. */
  #patienceMs(): number {
    return Math.max(
      0,
      Math.min(this.#stallTimeoutMs, this.#stallTimeoutMs + this.#bytes / minBytesPerMs - this.#waitedMs),
    )
  }

  #setTimer(endsAt: number): void {
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        if (this.#waitingSince === undefined) return
        const waitEndsAt = this.#waitingSince + this.#patienceMs()
        if (performance.now() < waitEndsAt) this.#setTimer(waitEndsAt)
        else this.#incoming.destroy(new Error('The client stopped sending'))
      },
      Math.max(0, endsAt - performance.now()),
    )
  }
}
