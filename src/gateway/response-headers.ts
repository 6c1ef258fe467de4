/**
 * What of an upstream's header fields the browser gets, and what we set (design.md, "What the browser may get"): an
 * upstream's answer is data, never a part of the app, and never speaks to the browser about our origin.
 */
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { HeaderList, ResponseHead } from '../runtime.ts'
import { privateCacheControl } from './caching.ts'
import { attachmentOf, type Content, contentOf } from './content.ts'
import { kindOf } from './field-kinds.ts'
import { applyResponseRules, mayPass as isAllowed } from './field-rules.ts'
import { connectionOptions, isFieldValue, isPlainDecimal } from './fields.ts'
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
  const apart: Apart = {}
  const dropped = connectionOptions(lineOf(upstream, 'connection'))
  for (const field of applyResponseRules(upstream, route.headers.response, dropped)) {
    const [name, value] = field
    if (!mayPass(name, value, route)) continue
    if (isApart(name)) addLine(apart, name, value)
    else if (name === 'link' && route.content === 'data') pushUnlessEmpty(headers, name, withoutHints(value))
    else headers.push(field)
  }
  pushContent(headers, apart, status, route, lineOf(upstream, 'transfer-encoding') !== undefined)
  if (location) pushLocations(headers, apart, status, location)
  pushCaching(headers, apart, route)
  for (const field of route.content === 'page' ? pageProtection : dataProtection) headers.push(field)
  return headers
}

/** What of a 103's fields the browser may get: the same rules, and none of ours. */
export function clientInformationalHeaders(upstream: HeaderList, route: Route): HeaderList {
  const { allow } = route.headers.response
  return informational(allow ? upstream.filter(([name]) => isAllowed(name, allow)) : upstream, route)
}

function informational(upstream: HeaderList, route: Route): HeaderList {
  const headers: Field[] = []
  for (const [name, value] of upstream) {
    if (!mayPass(name, value, route) || isApart(name) || route.headers.response.remove.has(name)) continue
    pushUnlessEmpty(headers, name, name === 'link' ? withoutHints(value) : value)
  }
  return headers
}

/** Of trailer fields only those that the route names. Validation has refused what no trailer may be (RFC 9110 §6.5.1). */
export function clientTrailers(upstream: HeaderList, route: Route): NonNullable<ResponseHead['trailers']> {
  const announced = lineOf(upstream, 'trailer')?.toLowerCase().split(',') ?? []
  const named = announced.map((name) => name.trim()).filter((name) => route.trailers.has(name))
  return {
    announced: named.length > 0 ? named.join(', ') : undefined,
    pick: (fields) => {
      const kept = fields.filter(([name]) => route.trailers.has(name))
      return informational(kept, route)
    },
  }
}

type Field = readonly [name: string, value: string]

/** Fields of which all lines are needed before one is written, or that are not written at all. */
const apartNames = [
  'cache-control',
  'content-disposition',
  'content-length',
  'content-location',
  'content-type',
  'expires',
  'location',
  'pragma',
  'vary',
] as const

type ApartName = (typeof apartNames)[number]

/** The lines of these, which have passed. */
type Apart = { [name in ApartName]?: string[] }

const apartNameSet: ReadonlySet<string> = new Set(apartNames)

function isApart(name: string): name is ApartName {
  return apartNameSet.has(name)
}

function addLine(apart: Apart, name: ApartName, value: string): void {
  const lines = apart[name]
  if (lines === undefined) apart[name] = [value]
  else lines.push(value)
}

const noStore: Field = ['cache-control', 'private, no-store']

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
  switch (kindOf(name)) {
    case 'usual':
      return isFieldValue(value)
    case 'never':
      return false
    case 'challenge':
      return route.auth === 'none' && isFieldValue(value)
    case 'page':
      return route.content === 'page' && isFieldValue(value)
    case 'rate-limit':
      // Ours are there: two lists would be read as one.
      return !isLimited(route) && isFieldValue(value)
  }
}

function isLimited({ rateLimits: { byAddress, byCaller } }: Route): boolean {
  return byAddress.length > 0 || byCaller.length > 0
}

/** A document is an attachment: opened by itself it would show, on our origin, what others wrote. */
function pushContent(headers: Field[], apart: Apart, status: number, route: Route, isCoded: boolean): void {
  const lengths = apart['content-length']
  const length = lengths?.[0] ?? ''
  const hasLength = isPlainDecimal(length) && lengths?.every((line) => line === length) === true
  // RFC 9110 §8.6: none on a 204. A 205 has no content either, whatever it announces (§15.3.6).
  if (hasLength && status !== 204 && status !== 205 && !isCoded) headers.push(['content-length', length])

  const types = apart['content-type']
  const hasNoBody = status === 204 || status === 205 || status === 304 || (hasLength && Number(length) === 0)
  const content = types === undefined && hasNoBody ? undefined : (contentOf(types ?? []) ?? unknownContent)
  if (content !== undefined) headers.push(['content-type', content.type])

  const dispositions = apart['content-disposition'] ?? []
  if (route.content === 'data' && content?.isInert === false) {
    headers.push(['content-disposition', attachmentOf(dispositions)])
  } else {
    for (const disposition of dispositions) headers.push(['content-disposition', disposition])
  }
}

const unknownContent: Content = { type: 'application/octet-stream', isInert: false }

function pushLocations(headers: Field[], apart: Apart, status: number, context: LocationContext): void {
  const locations = apart.location ?? []
  const isRedirect = status >= 300 && status < 400
  if (isRedirect && locations.length > 1) throw new CoatcheckError('upstream_redirect')
  const [location] = locations
  if (location !== undefined && locations.length === 1) {
    const ours = isRedirect ? rewriteLocation(location, context) : insideOnly(location, context)
    if (ours !== undefined) headers.push(['location', ours])
  }
  const contentLocation = apart['content-location']?.[0]
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

function pushCaching(headers: Field[], apart: Apart, route: Route): void {
  const isKept = route.auth === 'none' || route.cache === 'private'
  const cacheControl = apart['cache-control']?.join(', ')
  const expires = apart.expires?.join(', ')
  if (route.auth === 'none') {
    if (cacheControl !== undefined) headers.push(['cache-control', cacheControl])
  } else {
    headers.push(isKept ? ['cache-control', privateCacheControl(cacheControl, expires)] : noStore)
  }
  if (isKept && expires !== undefined) headers.push(['expires', expires])
  const vary = apart.vary?.join(', ')
  const ours = route.auth === 'session' && isKept ? varyByCookie(vary) : vary
  if (ours !== undefined) headers.push(['vary', ours])
}

function varyByCookie(vary: string | undefined): string {
  if (vary === undefined || vary.trim() === '') return 'Cookie'
  const names = vary.split(',').map((name) => name.trim().toLowerCase())
  return names.includes('cookie') || names.includes('*') ? vary : `${vary}, Cookie`
}

function pushUnlessEmpty(headers: Field[], name: string, value: string): void {
  if (value !== '') headers.push([name, value])
}

/** All lines of a field as one (RFC 9110 §5.3). */
function lineOf(list: HeaderList, wanted: string): string | undefined {
  let line: string | undefined
  for (const [name, value] of list) {
    if (name === wanted && isFieldValue(value)) line = line === undefined ? value : `${line}, ${value}`
  }
  return line
}
