import { describe, expect, it } from 'vitest'
import { isNeverForwarded } from '../../src/config/header-names.ts'
import { droppedRequestHeaders, upstreamRequestHeaders } from '../../src/gateway/request-headers.ts'
import type { HeaderList, IncomingHeaders } from '../../src/runtime.ts'
import { usualNames } from '../support/identity-names.ts'
import { route } from './routes.ts'

const plain = route('/api/*')
const sent = (incoming: IncomingHeaders, to = plain, extra: HeaderList = []) =>
  Object.fromEntries(upstreamRequestHeaders(incoming, to, extra))

/** Names that servers behind a proxy believe, or that are the connection's. */
const hostileNames = [
  ...['cookie', 'cookie2', 'set-cookie', 'authorization', 'proxy-authorization', 'proxy-connection', 'dpop', 'x-csrf'],
  ...[
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'expect',
    'http2-settings',
    'host',
    'via',
  ],
  ...[
    'max-forwards',
    'early-data',
    'origin',
    'referer',
    'from',
    'purpose',
    'service-worker',
    'access-control-request-method',
  ],
  ...['sec-fetch-site', 'sec-ch-ua', 'sec-websocket-key', 'sec-gpc', 'sec-purpose', 'sec-session-response'],
  ...['forwarded', 'x-forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-user'],
  ...['x-forwarded-client-cert', 'x-forwarded-access-token', 'x-real-ip', 'x-client-ip', 'client-ip', 'true-client-ip'],
  ...[
    'cf-connecting-ip',
    'cf-access-jwt-assertion',
    'fastly-client-ip',
    'x-cluster-client-ip',
    'x-envoy-external-address',
  ],
  ...[
    'x-original-url',
    'x-original-uri',
    'x-original-host',
    'x-original-method',
    'x-rewrite-url',
    'x-override-url',
    'x-host',
  ],
  ...['x-http-method', 'x-http-method-override', 'x-method-override', 'x-middleware-subrequest', 'x-accel-redirect'],
  ...[
    'remote-user',
    'x-remote-user',
    'x-user',
    'x-user-id',
    'x-userinfo',
    'x-email',
    'x-groups',
    'x-roles',
    'x-id-token',
  ],
  ...['x-access-token', 'x-auth-request-user', 'x-auth-token', 'x-authenticated-user', 'x-authenticated-groups'],
  ...['x-amzn-oidc-data', 'x-amzn-oidc-identity', 'x-goog-iap-jwt-assertion', 'x-goog-authenticated-user-email'],
  ...['x-ms-client-principal', 'x-ms-client-principal-id', 'x-ms-token-aad-access-token', 'x-appengine-user-email'],
  ...['x-ssl-client-cert', 'ssl-client-verify', 'client-cert', 'x-client-cert', 'x-client-verify', 'x-sendfile-type'],
]

describe('what the list names passes as it came', () => {
  it.each([
    ['accept', 'application/json'],
    ['accept-encoding', 'gzip, br'],
    ['accept-language', 'de-AT, en;q=0.5'],
    ['accept-profile', '<https://x.example>'],
    ['content-type', 'multipart/form-data; boundary=x'],
    ['content-encoding', 'gzip'],
    ['content-language', 'de'],
    ['content-range', 'bytes 0-1/2'],
    ['content-disposition', 'attachment; filename="ä.txt"'],
    ['content-digest', 'sha-256=:x:'],
    ['if-match', '"x"'],
    ['if-none-match', 'W/"x"'],
    ['if-modified-since', 'Sat, 01 Jan 2000 00:00:00 GMT'],
    ['if-unmodified-since', 'Sat, 01 Jan 2000 00:00:00 GMT'],
    ['if-range', '"x"'],
    ['range', 'bytes=0-9'],
    ['cache-control', 'no-cache'],
    ['prefer', 'return=minimal'],
    ['idempotency-key', '"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['last-event-id', '42'],
  ])('%s: %s', (name, value) => {
    expect(sent({ [name]: value })).toEqual({ [name]: value })
  })
})

describe('what no list names does not', () => {
  it.each([
    'user-agent',
    'tracestate',
    'baggage',
    'x-request-id',
    'x-requested-with',
    'x-api-key',
    'dnt',
    'priority',
    'link',
  ])('%s, until an operator adds it', (name) => {
    expect(sent({ [name]: 'x' })).toEqual({})
    expect(sent({ [name]: 'x' }, route('/api/*', { requestHeaders: new Set([name]) }))).toEqual({ [name]: 'x' })
  })

  it.each([...hostileNames, ...usualNames.map((name) => name.toLowerCase())])('%s, whatever is configured', (name) => {
    expect(isNeverForwarded(name)).toBe(true)
    expect(sent({ [name]: 'x' }, route('/api/*', { requestHeaders: new Set([name]) }))).toEqual({})
  })

  it.each([
    ...[
      'x_forwarded_for',
      'content_type',
      'accept_encoding',
      'x-user.id',
      'content-type ',
      ' accept',
      'accept\t',
      'Accept',
    ],
    ...[
      'content-type\0',
      'content-\r\nx',
      'accept:',
      'content-é',
      'content-typE',
      'accept-$',
      '',
      '__proto__',
      'content-_type',
    ],
  ])('%j: a name that a server could take for another, whatever is configured', (name) => {
    const incoming = Object.fromEntries([[name, 'x']])
    expect(sent(incoming)).toEqual({})
    expect(sent(incoming, route('/api/*', { requestHeaders: new Set([name]) }))).toEqual({})
  })

  it.each(['a\r\nCookie: b', 'a\nb', 'a\0', '\x7f', '\x01', 'a\u0100', '😀'])('the value %j', (value) => {
    expect(sent({ accept: value })).toEqual({})
  })
})

describe('framing', () => {
  it.each(['0', '5', '10485760', '007'])('Content-Length %s passes, so that a stream keeps its length', (value) => {
    expect(sent({ 'content-length': value })).toEqual({ 'content-length': value })
  })

  it.each(['', '5, 5', '+5', '-1', '5.0', '0x5', '1e3', ' 5', '5 ', '٥', '9'.repeat(16), 'chunked', '5,6'])(
    'Content-Length %j does not',
    (value) => {
      expect(sent({ 'content-length': value })).toEqual({})
    },
  )

  it.each(['chunked', 'identity', '', 'xchunked', 'chunked, chunked'])('nor beside Transfer-Encoding %j', (value) => {
    expect(sent({ 'content-length': '5', 'transfer-encoding': value })).toEqual({})
  })

  it('what Connection names is of this hop (RFC 9110 §7.6.1)', () => {
    const incoming = { connection: 'close, Prefer ,TRACEPARENT', prefer: 'x', traceparent: 'y', accept: 'z' }
    expect(sent(incoming)).toEqual({ accept: 'z' })
    expect(sent({ connection: 'keep-alive', prefer: 'x' })).toEqual({ prefer: 'x' })
    expect(sent({ connection: 'Keep-Alive, , ,', prefer: 'x' })).toEqual({ prefer: 'x' })
  })
})

describe('our own fields', () => {
  it('come last, and win over the browser’s', () => {
    const to = route('/api/*', { requestHeaders: new Set(['x-tenant']) })
    const extra: HeaderList = [
      ['authorization', 'Bearer ours'],
      ['x-tenant', 'ours'],
      ['accept', 'ours'],
    ]
    const incoming = { authorization: 'Bearer theirs', 'x-tenant': 'theirs', accept: 'theirs', range: 'bytes=0-' }
    expect(upstreamRequestHeaders(incoming, to, extra)).toEqual([['range', 'bytes=0-'], ...extra])
  })

  it('cannot be taken away by Connection', () => {
    const extra: HeaderList = [['authorization', 'Bearer ours']]
    expect(upstreamRequestHeaders({ connection: 'authorization' }, plain, extra)).toEqual(extra)
  })
})

describe('the development log', () => {
  it('names what an operator could let pass, and no value', () => {
    const incoming = {
      'x-requested-with': 'secret',
      baggage: 'secret',
      tracestate: 'secret',
      accept: 'x',
      prefer: undefined,
    }
    expect(droppedRequestHeaders(incoming, plain)).toEqual(['x-requested-with', 'baggage', 'tracestate'])
  })

  it('leaves out what browsers send by themselves, what never passes, and what passes', () => {
    const browser = Object.fromEntries(
      [...hostileNames, 'user-agent', 'dnt', 'priority', 'upgrade-insecure-requests', 'accept', 'x_odd'].map((name) => [
        name,
        'x',
      ]),
    )
    expect(droppedRequestHeaders(browser, plain)).toEqual([])
    const to = route('/api/*', { requestHeaders: new Set(['x-requested-with']) })
    expect(droppedRequestHeaders({ 'x-requested-with': 'x' }, to)).toEqual([])
  })
})
