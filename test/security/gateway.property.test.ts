/**
 * For all inputs: what reaches the API, and what reaches the browser, is on a list. The lists are written here once more, so
 * that a rule that grows in `src/` is noticed here.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Route } from '../../src/config/types.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { rewriteLocation } from '../../src/gateway/location.ts'
import { upstreamRequestHeaders } from '../../src/gateway/request-headers.ts'
import { clientInformationalHeaders, clientResponseHeaders } from '../../src/gateway/response-headers.ts'
import { readCookies } from '../../src/protection/cookies.ts'
import type { HeaderList } from '../../src/runtime.ts'
import { isOwnCookieName, sessionCookieName } from '../../src/session/cookie-names.ts'
import { openRoute, route } from '../gateway/routes.ts'

const runs = { numRuns: 2000 }

const tokenText = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)
const known = fc.constantFrom(
  ...[
    'accept',
    'accept-language',
    'content-type',
    'content-length',
    'range',
    'if-match',
    'prefer',
    'traceparent',
    'cookie',
  ],
  ...[
    'authorization',
    'x-forwarded-for',
    'x_forwarded_for',
    'x-user',
    'origin',
    'referer',
    'sec-fetch-site',
    'host',
    'te',
  ],
  ...[
    'transfer-encoding',
    'connection',
    'upgrade',
    'forwarded',
    'x-original-url',
    'x-tenant',
    'content_type',
    'expect',
    'via',
  ],
)
const requestName = fc.oneof(
  known,
  tokenText.map((name) => name.toLowerCase()),
  known.map((name) => `${name}_`),
)
const value = fc.oneof(
  fc.constantFrom(
    '1',
    'a',
    'a, b',
    'authorization',
    'close, x-forwarded-for',
    'chunked',
    '5',
    '5, 5',
    'a\r\nb: c',
    'a\nb',
    '\0',
    'é',
    '😀',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

describe('request fields', () => {
  const mayPass = (name: string) =>
    /^(?:accept|accept-[a-z0-9-]+|content-[a-z0-9-]+|cache-control|(?:want-)?(?:repr-)?digest|want-content-digest|idempotency-key)$/.test(
      name,
    ) ||
    /^(?:if-(?:match|modified-since|none-match|range|unmodified-since)|last-event-id|pragma|prefer|range|traceparent|x-tenant)$/.test(
      name,
    )
  const ours: HeaderList = [
    ['authorization', 'Bearer token'],
    ['x-forwarded-for', '192.0.2.1'],
    ['x-forwarded-host', 'app.example.com'],
  ]

  it('of the list alone pass, as they came; ours are there once each, and last', () => {
    let passed = 0
    fc.assert(
      fc.property(fc.dictionary(requestName, value, { noNullPrototype: false }), (incoming) => {
        const sent = upstreamRequestHeaders(
          incoming,
          route('/api/*', { requestHeaders: new Set(['x-tenant', 'x-user', 'cookie']) }),
          ours,
        )
        expect(sent.slice(-ours.length)).toEqual(ours)
        const theirs = sent.slice(0, -ours.length)
        passed += theirs.length
        for (const [name, text] of theirs) {
          expect(mayPass(name), name).toBe(true)
          expect(incoming[name]).toBe(text)
          expect(text).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
          if (name === 'content-length') expect(text).toMatch(/^\d{1,15}$/)
        }
        const names = sent.map(([name]) => name)
        expect(new Set(names).size).toBe(names.length)
      }),
      runs,
    )
    expect(passed, 'enough passed for this to say something').toBeGreaterThan(300)
  })
})

describe('response fields', () => {
  const aboutUs =
    /^(?:set-|clear-|access-control-|service-worker|report|strict-transport|alt-svc|refresh$|nel$|sourcemap$|x-sourcemap$|x-accel-|x-sendfile|sec-|surrogate-|cdn-|server$|via$|proxy-|connection$|keep-alive$|te$|trailer$|transfer-encoding$|upgrade$)/
  const names = fc.oneof(
    fc.constantFrom(
      ...[
        'Set-Cookie',
        'SET-COOKIE',
        'Clear-Site-Data',
        'Access-Control-Allow-Origin',
        'Service-Worker-Allowed',
        'Refresh',
        'NEL',
      ],
      ...[
        'Strict-Transport-Security',
        'Alt-Svc',
        'X-Accel-Redirect',
        'CDN-Cache-Control',
        'Surrogate-Control',
        'Report-To',
        'Server',
      ],
      ...[
        'Content-Type',
        'Content-Length',
        'Content-Disposition',
        'Cache-Control',
        'Vary',
        'Expires',
        'ETag',
        'Link',
        'Connection',
      ],
      ...[
        'Content-Security-Policy',
        'X-Content-Type-Options',
        'Transfer-Encoding',
        'WWW-Authenticate',
        'X-Note',
        'Location',
      ],
    ),
    tokenText,
    fc.string({ maxLength: 8 }),
  )
  // A transport gives names in lower case. Of another one they would not pass, rather than pass unknown.
  const spelled = fc.oneof(
    names,
    names.map((name) => name.toLowerCase()),
  )
  const answer = fc.array(fc.tuple(spelled, value), { maxLength: 12 })
  const status = fc.constantFrom(200, 201, 204, 206, 304, 400, 401, 404, 500)
  const routes: ReadonlyArray<readonly [string, Route]> = [
    ['a session route', route('/api/*')],
    ['one that lets the browser keep answers', route('/api/*', { cache: 'private' })],
    ['an open route', openRoute('/api/*')],
    ['a page', openRoute('/api/*', { content: 'page' })],
  ]

  it.each(routes)('of %s never speak about our origin, are one line each, and have ours once', (_name, to) => {
    fc.assert(
      fc.property(answer, status, (upstream, code) => {
        const sent = clientResponseHeaders(upstream, code, to)
        for (const [name, text] of sent) {
          expect(name).toBe(name.toLowerCase())
          expect(name).not.toMatch(aboutUs)
          expect(name).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/)
          expect(text).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
        }
        const valuesOf = (wanted: string) => sent.filter(([name]) => name === wanted).map(([, text]) => text)
        expect(valuesOf('x-content-type-options')).toEqual(['nosniff'])
        expect(valuesOf('cross-origin-resource-policy')).toEqual(['same-origin'])
        expect(valuesOf('content-security-policy').join()).toContain("frame-ancestors 'none'")
        expect(valuesOf('content-type').length).toBeLessThan(2)
        expect(valuesOf('content-length').length).toBeLessThan(2)
        if (to.auth === 'session') {
          expect(valuesOf('cache-control')).toHaveLength(1)
          expect(valuesOf('cache-control')[0]).toMatch(/^private/)
          expect(valuesOf('cache-control')[0]).not.toMatch(/public|s-maxage/i)
          expect(valuesOf('www-authenticate')).toEqual([])
        }
      }),
      runs,
    )
  })

  it('of a 103 and of trailers keep the same rules', () => {
    fc.assert(
      fc.property(answer, (upstream) => {
        for (const [name, text] of clientInformationalHeaders(upstream, route('/api/*'))) {
          expect(name).not.toMatch(aboutUs)
          expect(text).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
          if (name === 'link') expect(text).not.toMatch(/preload|preconnect|prefetch/)
        }
      }),
      runs,
    )
  })
})

describe('Location', () => {
  const to = route('/api/*', { redirectHosts: new Set(['files.example.com']) })
  const piece = fc.constantFrom(
    ...[
      '/',
      '//',
      '\\',
      '/v1/',
      '/v1',
      '/v2',
      '..',
      '.',
      '%2e%2e',
      '%2f',
      '%5c',
      '%00',
      '%0d%0a',
      ';',
      '?',
      '#',
      '@',
      ':',
      ':443',
    ],
    ...[
      'https:',
      'http:',
      'javascript:',
      'data:',
      'orders.internal',
      'evil.example',
      'files.example.com',
      'app.example.com',
      '/api/',
    ],
    ...['\t', '\n', '\r', ' ', 'a', 'x=y', '[::1]', '127.0.0.1', '。', '／', '\u202e', '%', 'é', 'user:pass'],
  )
  const location = fc.oneof(
    fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    fc.webUrl(),
    fc.string(),
  )
  const context = {
    upstream: to.upstream,
    route: to,
    requestTarget: '/v1/orders/7',
    publicOrigin: 'https://app.example.com',
  }

  it('leads a browser to this route, or to a host that is listed over https, or is an error', () => {
    let ours = 0
    fc.assert(
      fc.property(location, (text) => {
        let sent: string
        try {
          sent = rewriteLocation(text, context)
        } catch (error) {
          expect(error).toBeInstanceOf(CoatcheckError)
          expect(String(error)).not.toContain('evil')
          return
        }
        expect(sent).toMatch(/^[\x21-\x7e]+$/)
        // As a browser reads it, wherever it is.
        const url = new URL(sent, 'https://app.example.com/deep/page')
        expect([url.username, url.password]).toEqual(['', ''])
        if (url.origin === 'https://app.example.com') {
          ours++
          expect(url.pathname === '/api' || url.pathname.startsWith('/api/')).toBe(true)
        } else expect(url.origin).toBe('https://files.example.com')
      }),
      { numRuns: 6000 },
    )
    expect(ours).toBeGreaterThan(100)
  })
})

describe('cookies', () => {
  /** As Node reads a field: a character for each byte. */
  const bytesUpTo = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => String.fromCharCode(...bytes))
  const anything = bytesUpTo(20)
  const knownName = fc.constantFrom(
    ...[
      sessionCookieName,
      `${sessionCookieName}.0`,
      `${sessionCookieName}-id`,
      ` ${sessionCookieName}`,
      '__Host-x',
      'a',
      '',
    ],
    ...[sessionCookieName.toLowerCase(), `${sessionCookieName} `, '__proto__', '\t'],
  )
  const ownName = fc.constantFrom(sessionCookieName, `${sessionCookieName}-id`)
  const name = fc.oneof(
    { arbitrary: knownName, weight: 3 },
    tokenText,
    anything,
    fc.tuple(ownName, anything).map((parts) => parts.join('')),
    fc.tuple(anything, ownName).map((parts) => parts.join('')),
  )
  const knownText = fc.constantFrom('x', 'y', '', '"x"', 'a b', 'x=y', ' x ', 'x,y', '\x01', '\x7f', 'é', 'Fe26.2*1')
  const text = fc.oneof({ arbitrary: knownText, weight: 2 }, fc.string({ maxLength: 4 }), anything)
  const pair = fc.tuple(name, fc.constantFrom('=', '==', '', ' = '), text).map((parts) => parts.join(''))
  const separator = fc.constantFrom('; ', ';', ' ;  ', ';;')
  const ofPairs = fc.tuple(fc.array(pair, { maxLength: 10 }), separator).map(([pairs, between]) => pairs.join(between))
  const field = fc.oneof(
    { arbitrary: ofPairs, weight: 3 },
    bytesUpTo(200),
    // Nothing but what a reader takes for an end of something, and a name of ours now and then.
    fc
      .array(fc.oneof(fc.constantFrom(';', '=', ' ', '\t', '"', ',', '\\', '\0', '\r\n'), ownName, anything))
      .map((pieces) => pieces.join('')),
  )

  it('that are read are ours by their exact name, well-formed, and there with one value', () => {
    let read = 0
    fc.assert(
      fc.property(field, (header) => {
        const cookies = readCookies(header, isOwnCookieName)
        // The reading of RFC 6265 §5.2, written once more, plainly.
        const plain = header.split(';').flatMap((pair) => {
          const at = pair.indexOf('=')
          const trimmed = (part: string) => part.replace(/^[ \t]+|[ \t]+$/g, '')
          return at < 0 ? [] : [[trimmed(pair.slice(0, at)), trimmed(pair.slice(at + 1))] as const]
        })
        for (const [found, value] of cookies) {
          read++
          expect(found.startsWith(sessionCookieName)).toBe(true)
          expect(value).toMatch(/^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/)
          expect(new Set(plain.filter(([other]) => other === found).map(([, one]) => one))).toEqual(new Set([value]))
        }
      }),
      { numRuns: 4000 },
    )
    expect(read).toBeGreaterThan(300)
  })
})
