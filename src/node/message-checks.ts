/**
 * What no app should see of what Node's parser lets through. Our own server looks before it runs the app; under another
 * one the runtime does, with the first look at the call.
 */
import { IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { HttpBindings } from '@hono/node-server'
import { CoatcheckError } from '../errors.ts'

/** In the environment of a call: our own server has looked. */
const checked = Symbol('checked')

export function checkedEnvironment(
  incoming: HttpBindings['incoming'],
  outgoing: HttpBindings['outgoing'],
): HttpBindings {
  const environment: HttpBindings & { readonly [checked]: true } = { incoming, outgoing, [checked]: true }
  return environment
}

/**
 * For a call under another server. Its connection ends with the answer, since who is in front may have read another
 * request in it.
 *
 * @throws CoatcheckError `invalid_request`
 */
export function checkUnlessDone(environment: HttpBindings): void {
  if (checked in environment) return
  const { incoming, outgoing } = environment as { incoming: IncomingMessage; outgoing: ServerResponse }
  // HTTP/2 has none of this in its frames.
  if (!(incoming instanceof IncomingMessage)) return
  const isUnread = declineUpgrade(incoming, outgoing)
  if (isUnread && refusal(incoming) === undefined) return
  outgoing.shouldKeepAlive = false
  if (!isUnread) incoming.socket.destroy()
  throw new CoatcheckError('invalid_request')
}

/** By connection, the request that was the last one of it. */
const declined = new WeakMap<Duplex, IncomingMessage>()

/**
 * Node throws away what came in one piece with an `Upgrade` that is not taken, so that the rest of a request may look like
 * a whole one: such a request is the last one of its connection.
 *
 * @returns false where this one comes after such a request
 */
export function declineUpgrade(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
  const last = declined.get(incoming.socket)
  if (last !== undefined) return last === incoming
  if (incoming.headers.upgrade !== undefined) {
    declined.set(incoming.socket, incoming)
    outgoing.shouldKeepAlive = false
  }
  return true
}

/** The status that it is refused with; undefined for what is in order. */
export function refusal(incoming: IncomingMessage): number | undefined {
  // RFC 9110 §9.3.8: TRACE would echo the cookies. TRACK is its old double.
  if (incoming.method === 'TRACE' || incoming.method === 'TRACK') return 405
  // Node's parser takes `HTTP/2.0` and `HTTP/0.9` in a request line for versions of what it speaks (RFC 9110 §15.6.6).
  if (incoming.httpVersion !== '1.1' && incoming.httpVersion !== '1.0') return 505
  // RFC 9112 §6.1: a coding that we do not take off must not reach an upstream as if we had.
  const coding = incoming.headers['transfer-encoding']
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') return 501
  // RFC 9112 §6.1: 1.0 has no chunks, so whoever is in front has read another end of this request.
  if (coding !== undefined && incoming.httpVersion === '1.0') return 400
  // RFC 9112 §3.2: two of them, and who is in front may have read the other one.
  let hosts = 0
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    const name = incoming.rawHeaders[index]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1 ? 400 : undefined
}
