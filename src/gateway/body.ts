/** A request's body on its way to an upstream: limited while it streams, and kept where it may be needed twice. */
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { IncomingHeaders, RequestBody } from '../runtime.ts'

/** A body of this size is read before it is sent, so that the call can be repeated with a newer token (R11). */
const replayLimitBytes = 64 * 1024

const bodyTimeoutMs = 60_000

/** How long an answer's body may be silent, in milliseconds; 0 is for ever. */
export function bodyTimeoutOf({ upstream }: Route): number {
  return upstream.settings?.timeouts.bodyMs ?? bodyTimeoutMs
}

export interface OutgoingBody {
  readonly body: RequestBody | null
  /** Whether the same bytes can be sent again. */
  readonly isReplayable: boolean
}

export const noBody: OutgoingBody = { body: null, isReplayable: true }

/**
 * Content has no meaning in a GET or HEAD (RFC 9110 §9.3.1). An API that leaves it unread on a kept connection would take
 * it for the next request, that of somebody else. No browser sends it.
 *
 * @throws CoatcheckError `invalid_request`
 */
export function checkHasNoContent(method: string, body: RequestBody | null): void {
  if (body === null || (method !== 'GET' && method !== 'HEAD')) return
  throw new CoatcheckError('invalid_request', { members: { check: 'content' } })
}

/** @throws CoatcheckError `payload_too_large`, here or while the body streams */
export async function outgoingBody(
  body: RequestBody,
  headers: IncomingHeaders,
  limitBytes: number,
  mayBeReplayed: boolean,
): Promise<OutgoingBody> {
  const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
  if (length !== undefined && length > limitBytes) throw tooLarge(limitBytes)
  if (length === undefined) return { body: limited(body, limitBytes), isReplayable: false }
  if (!mayBeReplayed || length > replayLimitBytes) return { body, isReplayable: false }
  return { body: await readAll(body, length), isReplayable: true }
}

/**
 * A body has to be of a type that the route takes, and to say which (API-4).
 *
 * @throws CoatcheckError `unsupported_media_type`
 */
export function checkContentType(
  body: RequestBody | null,
  headers: IncomingHeaders,
  { contentTypes }: Pick<Route, 'contentTypes'>,
): void {
  if (contentTypes === undefined || body === null) return
  const [essence = ''] = (headers['content-type'] ?? '').split(';', 1)
  const type = essence.trim().toLowerCase()
  if (!contentTypes.has(type) && !contentTypes.has(type.replace(/\/.*$/, '/*'))) {
    throw new CoatcheckError('unsupported_media_type')
  }
}

async function* limited(body: RequestBody, limitBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of chunksOf(body)) {
    total += chunk.byteLength
    if (total > limitBytes) throw tooLarge(limitBytes)
    yield chunk
  }
}

async function readAll(body: RequestBody, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const all = new Uint8Array(length)
  let offset = 0
  for await (const chunk of chunksOf(body)) {
    // The server holds the client to its Content-Length; a runtime that does not is not trusted.
    if (offset + chunk.byteLength > length) throw new CoatcheckError('invalid_request')
    all.set(chunk, offset)
    offset += chunk.byteLength
  }
  return offset === length ? all : all.slice(0, offset)
}

function chunksOf(body: RequestBody): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return body instanceof Uint8Array ? [body] : body
}

function tooLarge(limitBytes: number): CoatcheckError {
  return new CoatcheckError('payload_too_large', { members: { limit_bytes: limitBytes } })
}
