/** URLs that an operator may say. Plain http is for this machine only (RFC 9700 §2.6, BFF-3, API-6). */
import * as v from 'valibot'
import { type Field, mistake, wanted } from './read-object.ts'

/** True for a host that is this machine: `localhost`, what is under it, 127.0.0.0/8, `[::1]`. */
export function isLoopbackHost(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127(\.\d{1,3}){3}$/.test(hostname)
  )
}

/**
 * An origin as what it names: with and without the dot of a name's root (RFC 1034 §3.1), IPv4 also as IPv6 writes it
 * (RFC 4291 §2.5.5.2), and all names of this machine are one. The addresses of no host (`0.0.0.0`, `[::]`) lead here too.
 */
export function canonicalHost(origin: string): string {
  const url = new URL(origin)
  const hostname = withoutMapping(url.hostname.replace(/\.+$/, ''))
  const isHere = isLoopbackHost(hostname) || hostname === '0.0.0.0' || hostname === '[::]'
  url.hostname = isHere ? 'localhost' : hostname
  return url.origin
}

/** As the URL parser writes the address: `[::ffff:7f00:1]` is 127.0.0.1. */
function withoutMapping(hostname: string): string {
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (high === undefined || low === undefined) return hostname
  const octets = [high, low].map((half) => Number.parseInt(half, 16)).flatMap((half) => [half >> 8, half & 0xff])
  return octets.join('.')
}

/** The origin that browsers see; gives the parsed URL. */
export function baseUrl(): Field<URL> {
  const example = 'write the origin that browsers see, such as https://app.example.com'
  return v.pipe(
    v.string(wanted('a string', example)),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const url = parseHttp(dataset.value)
      const message = url ? originMistake(url, dataset.value) : mistake('is not an http(s) URL', example)
      if (url && !message) return url
      addIssue({ message: message ?? '' })
      return NEVER
    }),
  )
}

export interface UrlRules {
  example: string
  allowsQuery?: boolean
}

/** An address of the authorization server, kept as it was written (issuers are compared byte by byte). */
export function serverUrl(rules: UrlRules): Field<string> {
  return v.pipe(
    v.string(wanted('a string', `write ${rules.example}`)),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      const url = parseHttp(dataset.value)
      const message = url
        ? (partsMistake(url, dataset.value, rules) ?? plainHttpMistake(url))
        : mistake('is not an http(s) URL', `write ${rules.example}`)
      if (message) addIssue({ message })
    }),
  )
}

/** A development server on this machine; gives its origin. */
export function loopbackOrigin(example: string): Field<string> {
  return v.pipe(
    v.string(wanted('a string', `write ${example}`)),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const url = parseHttp(dataset.value)
      if (url && url.protocol === 'http:' && isLoopbackHost(url.hostname) && isOrigin(url, dataset.value))
        return url.origin
      addIssue({
        message: mistake(
          'is not the http origin of a server on this machine',
          `write its scheme, host and port, such as ${example}`,
        ),
      })
      return NEVER
    }),
  )
}

/** Undefined for what is not an absolute http(s) URL in plain writing: no white space, no backslash, no missing slash. */
export function parseHttp(value: string): URL | undefined {
  if (!/^https?:\/\/[^\s\\/?#]+[^\s\\]*$/i.test(value) || !URL.canParse(value)) return undefined
  return new URL(value)
}

/** A message if credentials, a query or a fragment stand where they may not. */
export function partsMistake(url: URL, written: string, rules: UrlRules): string | undefined {
  if (hasCredentials(url)) return mistake('has a user name or a password in it', `write ${rules.example}`)
  if (written.includes('#')) return mistake('has a fragment', 'leave out the # and what follows')
  if (written.includes('?') && !rules.allowsQuery) return mistake('has a query', 'leave out the ? and what follows')
  return undefined
}

function plainHttpMistake(url: URL): string | undefined {
  if (url.protocol === 'https:' || isLoopbackHost(url.hostname)) return undefined
  return mistake('is plain http, and its host is not this machine', `write https://${url.host}${url.pathname}`)
}

function originMistake(url: URL, written: string): string | undefined {
  const cure = `write ${url.protocol === 'https:' || isLoopbackHost(url.hostname) ? url.origin : `https://${url.host}`}`
  if (hasCredentials(url)) return mistake('has a user name or a password in it', cure)
  if (url.pathname !== '/' || /[?#]/.test(written)) return mistake('is more than an origin', cure)
  if (!isOrigin(url, written)) return mistake('is not written as browsers write an origin', cure)
  return plainHttpMistake(url)
    ? mistake('is plain http, and its host is not this machine: browsers keep no Secure cookie there', cure)
    : undefined
}

function isOrigin(url: URL, written: string): boolean {
  return written === url.origin || written === `${url.origin}/`
}

function hasCredentials(url: URL): boolean {
  return url.username !== '' || url.password !== ''
}
