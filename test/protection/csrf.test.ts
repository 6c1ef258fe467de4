import { describe, expect, it } from 'vitest'
import type { RequestKind } from '../../src/config/user-routes.ts'
import {
  checkDestination,
  checkSessionRef,
  checkSessionRequest,
  isWebSocketUpgrade,
} from '../../src/protection/csrf.ts'
import type { IncomingHeaders } from '../../src/runtime.ts'

const origin = 'https://app.example.com'
const everyKind: readonly RequestKind[] = ['fetch', 'eventsource', 'download', 'media', 'websocket']

/** Fetch Metadata in the order site, mode, destination. */
function metadata(site: string, mode: string, destination: string): IncomingHeaders {
  return { 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': destination }
}

function check(headers: IncomingHeaders, kinds: readonly RequestKind[] = ['fetch'], method = 'GET'): RequestKind {
  return checkSessionRequest(headers, { method, kinds: new Set(kinds), origin })
}

const refusedBy = (name: string) => expect.objectContaining({ code: 'csrf', members: { check: name } })
const refused = expect.objectContaining({ code: 'csrf', status: 403 })

describe('a fetch', () => {
  const right = { 'x-csrf': '1', ...metadata('same-origin', 'cors', 'empty') }

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])('by %s shows itself with X-CSRF', (method) => {
    expect(check(right, ['fetch'], method)).toBe('fetch')
    expect(check({ ...right, origin }, ['fetch'], method)).toBe('fetch')
  })

  it('of a browser without Fetch Metadata stands on the header and Origin', () => {
    expect(check({ 'x-csrf': '1' })).toBe('fetch')
    expect(check({ 'x-csrf': '1', origin }, ['fetch'], 'POST')).toBe('fetch')
  })

  it('may name the session that it means', () => {
    expect(check({ ...right, 'x-csrf': 'V1StGXR8_Z5jdHi6B-myT' })).toBe('fetch')
  })

  it.each([
    '',
    ' ',
    '1, 1',
    '1,1',
    ' 1',
    '1 ',
    'a b',
    'ä',
    '1\t',
    '"1"',
    'a=b',
    'a.b',
    'x'.repeat(129),
    '<script>',
    '*',
    '../',
  ])('with X-CSRF %j is refused', (value) => {
    for (const method of ['GET', 'POST']) {
      expect(() => check({ ...right, 'x-csrf': value }, everyKind, method)).toThrow(refusedBy('x_csrf'))
    }
  })

  it('without X-CSRF is refused, for reads too', () => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      expect(() => check({ ...right, 'x-csrf': undefined }, ['fetch'], method)).toThrow(refusedBy('x_csrf'))
      expect(() => check({}, ['fetch'], method)).toThrow(refusedBy('x_csrf'))
    }
  })

  it.each([
    'cross-site',
    'same-site',
    'none',
    '',
    'Same-Origin',
    'same-origin, same-origin',
    'same-origin ',
    'unknown',
  ])('from %j is refused', (site) => {
    expect(() => check({ ...right, 'sec-fetch-site': site })).toThrow(refusedBy('sec_fetch_site'))
    expect(() => check({ ...right, 'sec-fetch-site': site, origin }, everyKind, 'POST')).toThrow(refused)
  })

  it.each([
    ...[
      'null',
      '',
      'https://evil.example',
      'http://app.example.com',
      'https://app.example.com:444',
      'https://app.example.com/',
    ],
    ...[
      'https://app.example.com.evil.example',
      'https://sub.app.example.com',
      'https://example.com',
      'HTTPS://APP.EXAMPLE.COM',
    ],
    ...[
      'https://app.example.com, https://app.example.com',
      'https://app.example.com https://evil.example',
      'https://user@app.example.com',
    ],
  ])('with Origin %j is refused', (other) => {
    for (const kind of everyKind) {
      expect(() => check({ ...right, origin: other }, [kind])).toThrow(refusedBy('origin'))
    }
  })

  it.each(['OPTIONS', 'TRACE', 'CONNECT'])('by %s is refused: there is no CORS', (method) => {
    expect(() => check({ ...right, origin }, everyKind, method)).toThrow(refusedBy('method'))
  })
})

describe('the kinds that cannot send a header, as Chromium sends them', () => {
  it.each<[RequestKind, IncomingHeaders]>([
    ['eventsource', metadata('same-origin', 'cors', 'empty')],
    ['download', metadata('same-origin', 'navigate', 'document')],
    ['download', metadata('same-origin', 'navigate', 'empty')],
    ['media', metadata('same-origin', 'no-cors', 'image')],
    ['media', metadata('same-origin', 'cors', 'image')],
    ['media', metadata('same-origin', 'no-cors', 'audio')],
    ['media', metadata('same-origin', 'no-cors', 'video')],
    ['media', metadata('same-origin', 'cors', 'video')],
    ['media', metadata('same-origin', 'same-origin', 'track')],
    ['media', metadata('same-origin', 'cors', 'track')],
  ])('%s %j is served where the route names the kind, and only there', (kind, headers) => {
    expect(check(headers, [kind])).toBe(kind)
    expect(check(headers, ['fetch', kind], 'HEAD')).toBe(kind)
    expect(check({ ...headers, origin }, everyKind)).toBe(kind)
    const others = everyKind.filter((other) => other !== kind)
    expect(() => check(headers, others)).toThrow(refused)
  })

  it('take safe methods only', () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'get']) {
      for (const [mode, destination] of [
        ['cors', 'empty'],
        ['navigate', 'document'],
        ['no-cors', 'image'],
      ] as const) {
        expect(() => check({ ...metadata('same-origin', mode, destination), origin }, everyKind, method)).toThrow(
          refused,
        )
      }
    }
  })

  it('need Fetch Metadata to be there, whole', () => {
    for (const [mode, destination] of [
      ['cors', 'empty'],
      ['navigate', 'document'],
      ['no-cors', 'image'],
    ] as const) {
      const whole = metadata('same-origin', mode, destination)
      for (const name of Object.keys(whole)) {
        expect(() => check({ ...whole, [name]: undefined, origin }, everyKind), name).toThrow(refused)
      }
    }
    expect(() => check({ origin }, everyKind)).toThrow(refused)
    expect(() => check({}, everyKind)).toThrow(refused)
  })

  it('are refused from anywhere else, by all that another page can do', () => {
    for (const site of ['cross-site', 'same-site', 'none', '']) {
      for (const mode of ['cors', 'no-cors', 'navigate', 'same-origin', 'websocket', '']) {
        for (const destination of ['empty', 'document', 'iframe', 'image', 'video', 'script', 'track', '']) {
          expect(() => check(metadata(site, mode, destination), everyKind)).toThrow(refused)
        }
      }
    }
  })

  it.each([
    ['navigate', 'iframe'],
    ['navigate', 'frame'],
    ['navigate', 'embed'],
    ['navigate', 'object'],
    ['navigate', 'image'],
    ['no-cors', 'empty'],
    ['no-cors', 'script'],
    ['no-cors', 'style'],
    ['cors', 'script'],
    ['cors', 'font'],
    ['same-origin', 'worker'],
    ['same-origin', 'empty'],
    ['websocket', 'empty'],
    ['', ''],
    ['NAVIGATE', 'DOCUMENT'],
  ])('mode %j with destination %j is no kind at all', (mode, destination) => {
    expect(() => check(metadata('same-origin', mode, destination), everyKind)).toThrow(refused)
  })
})

describe('a WebSocket', () => {
  const upgrade = { upgrade: 'websocket', connection: 'Upgrade', origin }

  it('needs Origin, present and ours', () => {
    expect(check(upgrade, ['websocket'])).toBe('websocket')
    expect(check({ ...upgrade, upgrade: 'WebSocket' }, everyKind)).toBe('websocket')
    expect(() => check({ ...upgrade, origin: undefined }, ['websocket'])).toThrow(refusedBy('origin'))
    expect(() => check({ ...upgrade, origin: 'https://sibling.example.com' }, ['websocket'])).toThrow(
      refusedBy('origin'),
    )
    expect(() => check({ ...upgrade, origin: 'null' }, ['websocket'])).toThrow(refusedBy('origin'))
  })

  it('is not helped by what stands in for it elsewhere', () => {
    const page = { ...upgrade, origin: undefined, 'x-csrf': '1', ...metadata('same-origin', 'websocket', 'empty') }
    expect(() => check(page, ['websocket', 'fetch'])).toThrow(refusedBy('origin'))
  })

  it('is served with the Fetch Metadata that some browsers send, right or wrong', () => {
    expect(check({ ...upgrade, ...metadata('cross-site', 'websocket', 'websocket') }, ['websocket'])).toBe('websocket')
  })

  it('is a GET, on a route that names it', () => {
    expect(() => check(upgrade, ['websocket'], 'POST')).toThrow(refused)
    expect(() => check(upgrade, ['fetch', 'eventsource', 'download', 'media'])).toThrow(refused)
  })

  it.each(['h2c', 'websocket, h2c', 'h2c, websocket', '', 'websockets', ' websocket'])(
    'Upgrade %j is none',
    (value) => {
      expect(isWebSocketUpgrade({ upgrade: value })).toBe(false)
      expect(() => check({ ...upgrade, upgrade: value }, ['websocket'])).toThrow(refused)
    },
  )
})

describe('whose session the page means', () => {
  it('1 means whichever there is', () => {
    expect(() => checkSessionRef({ 'x-csrf': '1' }, 'abc')).not.toThrow()
    expect(() => checkSessionRef({}, 'abc')).not.toThrow()
  })

  it('the ref means that one, and another is told', () => {
    expect(() => checkSessionRef({ 'x-csrf': 'abc' }, 'abc')).not.toThrow()
    for (const other of ['abd', 'ABC', 'ab', 'abcd', '2']) {
      expect(() => checkSessionRef({ 'x-csrf': other }, 'abc')).toThrow(
        expect.objectContaining({ code: 'session_changed', status: 409 }),
      )
    }
  })

  it('where nobody is signed in there is nothing to compare', () => {
    expect(() => checkSessionRef({ 'x-csrf': 'abc' }, undefined)).not.toThrow()
  })
})

describe('what an answer would become', () => {
  const partsOfPages = ['script', 'style', 'worker', 'sharedworker', 'manifest']
  const never = [
    ...['serviceworker', 'audioworklet', 'paintworklet', 'sharedstorageworklet', 'object', 'embed', 'frame', 'iframe'],
    ...[
      'fencedframe',
      'xslt',
      'webidentity',
      'speculationrules',
      'dictionary',
      'email-verification',
      'unheard-of',
      '',
      'Script',
    ],
    ...['empty, script', 'script, empty', 'empty ', 'EMPTY'],
  ]

  it.each(partsOfPages)('%s is refused, but for a page route', (destination) => {
    expect(() => checkDestination({ 'sec-fetch-dest': destination })).toThrow(refusedBy('destination'))
    expect(() => checkDestination({ 'sec-fetch-dest': destination }, 'page')).not.toThrow()
  })

  it.each(never)('%j is refused on every route', (destination) => {
    expect(() => checkDestination({ 'sec-fetch-dest': destination })).toThrow(refusedBy('destination'))
    expect(() => checkDestination({ 'sec-fetch-dest': destination }, 'page')).toThrow(refusedBy('destination'))
  })

  it.each(['empty', 'document', 'image', 'audio', 'video', 'track', 'font', 'json', 'text', 'report', 'websocket'])(
    '%s is data',
    (destination) => expect(() => checkDestination({ 'sec-fetch-dest': destination })).not.toThrow(),
  )

  it('a service worker’s script is refused, by its own header too', () => {
    for (const content of ['data', 'page'] as const) {
      expect(() => checkDestination({ 'service-worker': 'script' }, content)).toThrow(refusedBy('destination'))
      expect(() => checkDestination({ 'service-worker': 'script', 'sec-fetch-dest': 'empty' }, content)).toThrow(
        refused,
      )
    }
  })

  it('nothing said is nothing to refuse', () => expect(() => checkDestination({})).not.toThrow())
})
