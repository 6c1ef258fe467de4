/**
 * What of an upstream's header fields the browser gets, and what we set (design.md, "What the browser may get"): an
 * upstream's answer is data, never a part of the app, and never speaks to the browser about our origin.
 */
import {
  isAboutOurOrigin,
  isChallenge,
  isForPagesOnly,
  isHopByHop,
  isRateLimitField,
} from '../config/response-header-names.ts'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { HeaderList, ResponseHead } from '../runtime.ts'
import { privateCacheControl } from './caching.ts'
import { attachmentOf, isInertType, singleType } from './content.ts'
import { applyResponseRules, mayPass as isAllowed } from './field-rules.ts'
import { connectionOptions, isFieldValue, isPlainDecimal, isToken } from './fields.ts'
import { type LocationContext, rewriteLocation } from './location.ts'
import { withoutHints } from './origin-fields.ts'

/**
 * The fields of the answer, with lower-case names: what is left of the API's by the rules of the route, and what these
 * set; of both what may pass on every route.
 *
 * `location` says how `Location` and `Content-Location` become ours; without it both are left out. A `Location`
 * that leads elsewhere is an error where a browser would follow it. On other answers, such as a 201, it is left
 * out: the API has done what it was asked, and an error would hide that.
 *
 * @throws CoatcheckError `upstream_redirect`
 */
export function clientResponseHeaders(
  upstream: HeaderList,
  status: number,
  route: Route,
  location?: LocationContext,
): HeaderList {
  const headers: Field[] = []
  const held: Held = { 'cache-control': undefined, vary: undefined, expires: undefined }
  const fields = applyResponseRules(
    upstream,
    route.headers.response,
    connectionOptions(combined(upstream, 'connection')),
  )
  for (const [spelled, value] of fields) {
    const name = spelled.toLowerCase()
    if (!mayPass(name, value, route)) continue
    if (isHeld(name)) held[name] = held[name] === undefined ? value : `${held[name]}, ${value}`
    else if (name === 'link' && route.content === 'data') pushUnlessEmpty(headers, name, withoutHints(value))
    else if (!treatedApart.has(name)) headers.push([name, value])
  }
  pushContent(headers, fields, status, route, combined(upstream, 'transfer-encoding') !== undefined)
  pushLocations(headers, fields, status, location)
  pushCaching(headers, held, route)
  for (const field of route.content === 'page' ? pageProtection : dataProtection) headers.push(field)
  return headers
}

/** What of a 103's fields the browser may get: the same rules, and none of ours. */
export function clientInformationalHeaders(upstream: HeaderList, route: Route): HeaderList {
  const { allow } = route.headers.response
  return informational(allow ? upstream.filter(([name]) => isAllowed(name.toLowerCase(), allow)) : upstream, route)
}

function informational(upstream: HeaderList, route: Route): HeaderList {
  const headers: Field[] = []
  for (const [spelled, value] of upstream) {
    const name = spelled.toLowerCase()
    if (!mayPass(name, value, route) || treatedApart.has(name) || isHeld(name)) continue
    if (route.headers.response.remove.has(name)) continue
    pushUnlessEmpty(headers, name, name === 'link' ? withoutHints(value) : value)
  }
  return headers
}

/** Of trailer fields only those that the route names. Validation has refused what no trailer may be (RFC 9110 §6.5.1). */
export function clientTrailers(upstream: HeaderList, route: Route): NonNullable<ResponseHead['trailers']> {
  const announced = combined(upstream, 'trailer')?.toLowerCase().split(',') ?? []
  const named = announced.map((name) => name.trim()).filter((name) => route.trailers.has(name))
  return {
    announced: named.length > 0 ? named.join(', ') : undefined,
    pick: (fields) => {
      const kept = fields.filter(([name]) => route.trailers.has(name.toLowerCase()))
      return informational(kept, route)
    },
  }
}

type Field = readonly [name: string, value: string]

/** Fields of which all lines are needed before one can be written. */
interface Held {
  'cache-control': string | undefined
  vary: string | undefined
  expires: string | undefined
}

const noStore: Field = ['cache-control', 'private, no-store']

/** Written by the functions below, or not at all. */
const treatedApart: ReadonlySet<string> = new Set([
  'content-disposition',
  'content-length',
  'content-location',
  'content-type',
  'location',
  'pragma',
])

const dataProtection: readonly Field[] = [
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "sandbox; default-src 'none'; frame-ancestors 'none'"],
  ['cross-origin-resource-policy', 'same-origin'],
]

/** Beside the policy that the upstream sends for its own page: browsers enforce every policy that they get. */
const pageProtection: readonly Field[] = [
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"],
  ['cross-origin-resource-policy', 'same-origin'],
]

function mayPass(name: string, value: string, route: Route): boolean {
  if (isHopByHop(name) || isAboutOurOrigin(name)) return false
  if (route.auth !== 'none' && isChallenge(name)) return false
  if (route.content === 'data' && isForPagesOnly(name)) return false
  // Ours are there: two lists would be read as one.
  if (isRateLimitField(name) && isLimited(route)) return false
  return isToken(name) && isFieldValue(value)
}

function isLimited({ rateLimits: { byAddress, byCaller } }: Route): boolean {
  return byAddress.length > 0 || byCaller.length > 0
}

/** A document is an attachment: opened by itself it would show, on our origin, what others wrote. */
function pushContent(headers: Field[], upstream: HeaderList, status: number, route: Route, isCoded: boolean): void {
  const lengths = lines(upstream, 'content-length')
  const length = lengths[0] ?? ''
  const hasLength = isPlainDecimal(length) && lengths.every((line) => line === length)
  // RFC 9110 §8.6: none on a 204. A 205 has no content either, whatever it announces (§15.3.6).
  if (hasLength && status !== 204 && status !== 205 && !isCoded) headers.push(['content-length', length])

  const types = lines(upstream, 'content-type')
  const hasNoBody = status === 204 || status === 205 || status === 304 || (hasLength && Number(length) === 0)
  const type = singleType(types) ?? (types.length === 0 && hasNoBody ? undefined : 'application/octet-stream')
  if (type !== undefined) headers.push(['content-type', type])

  const dispositions = lines(upstream, 'content-disposition')
  if (route.content === 'data' && type !== undefined && !isInertType(type)) {
    headers.push(['content-disposition', attachmentOf(dispositions)])
  } else {
    for (const disposition of dispositions) headers.push(['content-disposition', disposition])
  }
}

function pushLocations(headers: Field[], upstream: HeaderList, status: number, context?: LocationContext): void {
  if (!context) return
  const locations = lines(upstream, 'location')
  const isRedirect = status >= 300 && status < 400
  if (isRedirect && locations.length > 1) throw new CoatcheckError('upstream_redirect')
  const [location] = locations
  if (location !== undefined && locations.length === 1) {
    const ours = isRedirect ? rewriteLocation(location, context) : insideOnly(location, context)
    if (ours !== undefined) headers.push(['location', ours])
  }
  const [contentLocation] = lines(upstream, 'content-location')
  if (contentLocation !== undefined) {
    const ours = insideOnly(contentLocation, context)
    if (ours !== undefined) headers.push(['content-location', ours])
  }
}

function insideOnly(location: string, context: LocationContext): string | undefined {
  try {
    return rewriteLocation(location, context)
  } catch (error) {
    if (error instanceof CoatcheckError) return undefined
    throw error
  }
}

function pushCaching(headers: Field[], held: Held, route: Route): void {
  const isKept = route.auth === 'none' || route.cache === 'private'
  if (route.auth === 'none') {
    if (held['cache-control'] !== undefined) headers.push(['cache-control', held['cache-control']])
  } else {
    headers.push(isKept ? ['cache-control', privateCacheControl(held['cache-control'], held.expires)] : noStore)
  }
  if (isKept && held.expires !== undefined) headers.push(['expires', held.expires])
  const vary = route.auth === 'session' && isKept ? varyByCookie(held.vary) : held.vary
  if (vary !== undefined) headers.push(['vary', vary])
}

function varyByCookie(vary: string | undefined): string {
  if (vary === undefined || vary.trim() === '') return 'Cookie'
  const names = vary.split(',').map((name) => name.trim().toLowerCase())
  return names.includes('cookie') || names.includes('*') ? vary : `${vary}, Cookie`
}

function isHeld(name: string): name is keyof Held {
  return name === 'cache-control' || name === 'vary' || name === 'expires'
}

function pushUnlessEmpty(headers: Field[], name: string, value: string): void {
  if (value !== '') headers.push([name, value])
}

/** Values of all fields with this lower-case name that are fit to be sent. */
function lines(list: HeaderList, name: string): readonly string[] {
  let values: string[] | undefined
  for (const [spelled, value] of list) {
    if (spelled.length !== name.length || spelled.toLowerCase() !== name || !isFieldValue(value)) continue
    values ??= []
    values.push(value)
  }
  return values ?? none
}

const none: readonly string[] = []

function combined(list: HeaderList, name: string): string | undefined {
  const values = lines(list, name)
  return values.length === 0 ? undefined : values.join(', ')
}
