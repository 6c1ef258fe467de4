import { describe, expect, it } from 'vitest'
import type { Route } from '../../src/config/types.ts'
import { clientInformationalHeaders, clientResponseHeaders } from '../../src/gateway/response-headers.ts'
import type { HeaderList } from '../../src/runtime.ts'
import { openRoute, route } from './routes.ts'

const session = route('/api/*')
const open = openRoute('/public/*')
const page = openRoute('/pages/*', { content: 'page' })

const json: HeaderList = [['Content-Type', 'application/json']]

/** As transports give them. */
function inLowerCase(fields: HeaderList): HeaderList {
  return fields.map(([name, value]) => [name.toLowerCase(), value])
}

function answer(upstream: HeaderList, to: Route = session, status = 200): Record<string, string[]> {
  const got: Record<string, string[]> = {}
  for (const [name, value] of clientResponseHeaders(inLowerCase(upstream), status, to)) {
    got[name] ??= []
    got[name].push(value)
  }
  return got
}

/** Fields that speak to the browser, or to a server between, about our origin. */
const aboutOurOrigin = [
  ...[
    'Set-Cookie',
    'set-cookie',
    'SET-COOKIE',
    'Set-Cookie2',
    'Set-Login',
    'Clear-Site-Data',
    'Service-Worker-Allowed',
  ],
  ...['Service-Worker-Navigation-Preload', 'Access-Control-Allow-Origin', 'Access-Control-Allow-Credentials'],
  ...[
    'Access-Control-Expose-Headers',
    'Access-Control-Max-Age',
    'Strict-Transport-Security',
    'Refresh',
    'Alt-Svc',
    'Alt-Used',
  ],
  ...['NEL', 'Report-To', 'Reporting-Endpoints', 'Reporting-Anything', 'SourceMap', 'X-SourceMap', 'X-Accel-Redirect'],
  ...[
    'X-Accel-Buffering',
    'X-Sendfile',
    'X-SendFile2',
    'X-LiteSpeed-Location',
    'X-Lighttpd-Send-File',
    'X-Reproxy-URL',
  ],
  ...[
    'CDN-Cache-Control',
    'Cloudflare-CDN-Cache-Control',
    'Vercel-CDN-Cache-Control',
    'Surrogate-Control',
    'Surrogate-Key',
  ],
  ...[
    'Edge-Control',
    'Edge-Cache-Tag',
    'Cache-Tag',
    'xkey',
    'Netlify-Vary',
    'Origin-Agent-Cluster',
    'Accept-CH',
    'Critical-CH',
  ],
  ...['Timing-Allow-Origin', 'Speculation-Rules', 'No-Vary-Search', 'Supports-Loading-Mode', 'Public-Key-Pins'],
  ...[
    'Public-Key-Pins-Report-Only',
    'Expect-CT',
    'X-Powered-By',
    'Server',
    'Via',
    'X-AspNet-Version',
    'Secure-Session-Registration',
  ],
  ...[
    'Secure-Session-Challenge',
    'Sec-Session-Registration',
    'Sec-WebSocket-Accept',
    'Attribution-Reporting-Register-Source',
  ],
  ...[
    'Attribution-Reporting-Register-Trigger',
    'Observe-Browsing-Topics',
    'Activate-Storage-Access',
    'Ad-Auction-Signals',
  ],
  ...[
    'Shared-Storage-Write',
    'Origin-Trial',
    'Use-As-Dictionary',
    'IdP-SignIn-Status',
    'Integrity-Policy',
    'Tk',
    'P3P',
  ],
  ...[
    'X-DNS-Prefetch-Control',
    'X-Permitted-Cross-Domain-Policies',
    'X-Middleware-Rewrite',
    'Optional-WWW-Authenticate',
  ],
  ...['Fastly-Surrogate-Key', 'X-Varnish-TTL', 'X-Varnish', 'Cookie', 'Authorization', 'X-Replace-URL'],
  ...['X-Coatcheck-Code', 'X-Coatcheck-Set-Cookie-1', 'X-Hono-Static'],
  ...[
    'Connection',
    'Keep-Alive',
    'Proxy-Authenticate',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
  ],
]

const forDocuments = [
  ...[
    'Content-Security-Policy',
    'Content-Security-Policy-Report-Only',
    'X-Frame-Options',
    'Permissions-Policy',
    'Referrer-Policy',
  ],
  ...[
    'Cross-Origin-Opener-Policy',
    'Cross-Origin-Embedder-Policy',
    'Document-Policy',
    'X-XSS-Protection',
    'X-UA-Compatible',
  ],
]

describe('what speaks about our origin does not pass', () => {
  for (const to of [session, open, page]) {
    it.each(aboutOurOrigin)(`%s, on ${to.path}`, (name) => {
      expect(JSON.stringify(answer([...json, [name, 'theirs']], to))).not.toContain('theirs')
      expect(clientInformationalHeaders(inLowerCase([[name, 'theirs']]), to)).toEqual([])
    })
  }

  it.each(forDocuments)('%s, where the answer is data', (name) => {
    expect(JSON.stringify(answer([...json, [name, 'theirs']], session))).not.toContain('theirs')
    expect(JSON.stringify(answer([...json, [name, 'theirs']], page))).toContain('theirs')
  })

  it('an API’s challenge, on session routes', () => {
    for (const name of ['WWW-Authenticate', 'Authentication-Info', 'DPoP-Nonce']) {
      expect(answer([[name, 'Bearer realm="x"']], session, 401)).not.toHaveProperty(name.toLowerCase())
      expect(answer([[name, 'Bearer realm="x"']], open, 401)).toHaveProperty(name.toLowerCase())
    }
  })

  it('what Connection names', () => {
    const upstream: HeaderList = [
      ['connection', 'X-Hop, close'],
      ['Connection', 'x-other'],
      ['X-Hop', '1'],
      ['x-other', '2'],
    ]
    expect(answer(upstream)).not.toHaveProperty('x-hop')
    expect(answer(upstream)).not.toHaveProperty('x-other')
  })

  it.each<[string, string]>([
    ['x bad', 'y'],
    ['x\r\nset-cookie: a=b', 'y'],
    ['', 'y'],
    ['x:', 'y'],
    ['x-é', 'y'],
    ['x-odd', 'a\r\nset-cookie: c=d'],
    ['x-odd', 'a\nb'],
    ['x-odd', 'a\0b'],
    ['x-odd', '\x7f'],
    ['x-odd', 'a\u0100'],
  ])('a malformed field: %j: %j', (name, value) => {
    expect(answer([...json, [name, value]])).toEqual(answer(json))
  })
})

it.each([
  ...[
    'etag',
    'last-modified',
    'date',
    'age',
    'allow',
    'retry-after',
    'content-range',
    'accept-ranges',
    'content-encoding',
  ],
  ...[
    'content-language',
    'x-request-id',
    'x-total-count',
    'ratelimit',
    'deprecation',
    'sunset',
    'server-timing',
    'vary',
    'digest',
  ],
])('%s passes', (name) => {
  expect(answer([...json, [name.toUpperCase(), 'theirs']])[name]).toEqual(['theirs'])
})

describe("the route's own rules", () => {
  const rules = (response: Partial<Route['headers']['response']>) => ({
    headers: { ...session.headers, response: { ...session.headers.response, ...response } },
  })

  it('that set a field are not undone by Connection of the API', () => {
    const upstream: HeaderList = [
      ['Connection', 'x-api-version, x-robots-tag, x-hop, cache-control, x-content-type-options'],
      ['X-Api-Version', 'theirs'],
      ['X-Hop', '1'],
    ]
    const to = { ...open, ...rules({ set: [['x-api-version', '2']], add: [['x-robots-tag', 'noindex']] }) }
    const got = answer(upstream, to)
    expect(got).toMatchObject({
      'x-api-version': ['2'],
      'x-robots-tag': ['noindex'],
      'x-content-type-options': ['nosniff'],
    })
    expect(got).not.toHaveProperty('x-hop')
  })

  it('that name what may pass let nothing else through but what says what the answer is', () => {
    const to = { ...session, ...rules({ allow: new Set(['x-total']), set: [['x-served-by', 'us']] }) }
    const upstream: HeaderList = [
      ...json,
      ...(['X-Total', 'X-Debug', 'ETag', 'Content-Language', 'Server-Timing', 'Link', 'Retry-After'] as const).map(
        (name) => [name, '1'] as const,
      ),
    ]
    expect(Object.keys(answer(upstream, to)).sort()).toEqual(
      Object.keys(answer([...json, ['etag', '1'], ['content-language', '1'], ['retry-after', '1']]))
        .concat('x-total', 'x-served-by')
        .sort(),
    )
    expect(
      clientInformationalHeaders(
        [
          ['x-debug', '1'],
          ['x-total', '2'],
        ],
        to,
      ),
    ).toEqual([['x-total', '2']])
  })

  it('that limit calls are told of alone, without what the API says of its own', () => {
    const fields = ['RateLimit', 'RateLimit-Policy', 'RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset']
    const upstream = fields.map((name) => [name, '"theirs";r=1'] as const)
    const limit = { name: 'x', per: 'session', requests: 1, windowSeconds: 1 } as const
    for (const rateLimits of [
      { byAddress: [limit], byCaller: [] },
      { byAddress: [], byCaller: [limit] },
    ]) {
      expect(JSON.stringify(answer(upstream, { ...session, rateLimits }))).not.toContain('theirs')
    }
    for (const name of fields) expect(answer(upstream)).toHaveProperty(name.toLowerCase())
  })
})

it('an answer that names its framing in Connection has no length of its own', () => {
  const upstream: HeaderList = [
    ['Connection', 'transfer-encoding'],
    ['Transfer-Encoding', 'chunked'],
    ['Content-Length', '5'],
  ]
  expect(answer(upstream)).not.toHaveProperty('content-length')
})

it('a field with several lines keeps them in order', () => {
  expect(answer([...json, ['x-a', '1'], ['x-a', '2']])['x-a']).toEqual(['1', '2'])
})

describe('an answer is data', () => {
  it('says so to the browser, once', () => {
    expect(
      answer([...json, ['X-Content-Type-Options', 'sniff'], ['Cross-Origin-Resource-Policy', 'cross-origin']]),
    ).toMatchObject({
      'x-content-type-options': ['nosniff'],
      'content-security-policy': ["sandbox; default-src 'none'; frame-ancestors 'none'"],
      'cross-origin-resource-policy': ['same-origin'],
    })
  })

  it.each([
    ...[
      'text/html',
      'TEXT/HTML;charset=utf-8',
      ' text/html',
      'application/xhtml+xml',
      'image/svg+xml',
      'Image/SVG+XML; x=y',
    ],
    ...[
      'text/xml',
      'application/xml',
      'application/atom+xml',
      'application/pdf',
      'multipart/x-mixed-replace; boundary=x',
    ],
    ...[
      'message/rfc822',
      'multipart/related',
      'application/x-shockwave-flash',
      'text/javascript',
      'text/css',
      'x/unheard-of',
    ],
    ...['application/vnd.wap.xhtml+xml', 'text/xsl', 'application/mathml+xml'],
  ])('a document is an attachment: %s', (type) => {
    expect(answer([['content-type', type]])['content-disposition']).toEqual(['attachment'])
    expect(answer([['content-type', type]], session, 404)['content-disposition']).toEqual(['attachment'])
    expect(answer([['content-type', type]], page)).not.toHaveProperty('content-disposition')
  })

  it.each([
    ...['application/json', 'application/problem+json; charset=utf-8', 'text/plain', 'TEXT/CSV', 'text/event-stream'],
    ...['image/png', 'image/jpeg', 'audio/mpeg', 'video/mp4', 'application/octet-stream', 'application/x-ndjson'],
  ])('what a browser only shows is not: %s', (type) => {
    expect(answer([['content-type', type]])).toMatchObject({ 'content-type': [type] })
    expect(answer([['content-type', type]])).not.toHaveProperty('content-disposition')
  })

  it.each<[string[], string]>([
    [['inline'], 'attachment'],
    [['inline; filename="a.html"'], 'attachment; filename="a.html"'],
    [['attachment; filename="a.html"'], 'attachment; filename="a.html"'],
    [["ATTACHMENT;filename*=UTF-8''%c3%a4.html"], "attachment;filename*=UTF-8''%c3%a4.html"],
    [['attachment'], 'attachment'],
    [['filename=a.html'], 'attachment'],
    [['"attachment"; filename=x'], 'attachment'],
    [['attachment, inline; x=y'], 'attachment'],
    [['; filename=x'], 'attachment'],
    [[''], 'attachment'],
    [['attachment', 'inline'], 'attachment'],
    [['attachment; a="\r\nset-cookie: x=y"'], 'attachment'],
  ])('a document’s Content-Disposition %j becomes %j', (dispositions, expected) => {
    const upstream: HeaderList = [
      ['content-type', 'text/html'],
      ...dispositions.map((value) => ['Content-Disposition', value] as const),
    ]
    expect(answer(upstream)['content-disposition']).toEqual([expected])
  })

  it('a file’s stands as the upstream wrote it', () => {
    const upstream: HeaderList = [
      ['content-type', 'image/png'],
      ['Content-Disposition', 'inline; filename="a.png"'],
    ]
    expect(answer(upstream)['content-disposition']).toEqual(['inline; filename="a.png"'])
  })

  it.each<[string[]]>([
    [[]],
    [['']],
    [['text/plain;<,text/html;x=>']],
    [['text/plain;a="b",text/html']],
    [['text/plain;a="b,text/html']],
    [['html']],
    [['text/']],
    [['/html']],
    [['text/html, application/json']],
    [['application/json, text/html']],
    [['application/json; x=y, text/html']],
    [['application/json', 'text/html']],
    [['text/html', 'text/html']],
    [['text html/x']],
    [['text/html\r\n']],
    [['image/png; x="open']],
    [['a/b/c']],
  ])('a type that readers could differ on is no type: %j', (types) => {
    const upstream: HeaderList = types.map((value) => ['Content-Type', value] as const)
    const got = answer(upstream)
    if (types.length === 1 && types[0] === 'image/png; x="open') expect(got['content-type']).toEqual(types)
    else expect(got['content-type']).toEqual(['application/octet-stream'])
  })

  it('a comma in a quoted parameter is no second type', () => {
    const type = 'multipart/mixed; boundary="a,b"'
    expect(answer([['content-type', type]])['content-type']).toEqual([type])
  })

  it('an answer without content gets no type', () => {
    for (const status of [204, 205, 304]) expect(answer([], session, status)).not.toHaveProperty('content-type')
    expect(answer([['content-length', '0']], session, 201)).not.toHaveProperty('content-type')
  })
})

describe('a page, by name', () => {
  it('keeps its policy, and gets ours beside it', () => {
    expect(
      answer(
        [
          ['content-type', 'text/html'],
          ['content-security-policy', "default-src 'self'"],
        ],
        page,
      ),
    ).toEqual({
      'content-type': ['text/html'],
      'content-security-policy': ["default-src 'self'", "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"],
      'x-content-type-options': ['nosniff'],
      'cross-origin-resource-policy': ['same-origin'],
    })
  })

  it('may preload, but not in a 103', () => {
    const link: HeaderList = [['link', '</app.js>; rel=preload']]
    expect(answer([...json, ...link], page).link).toEqual(['</app.js>; rel=preload'])
    expect(clientInformationalHeaders(inLowerCase(link), page)).toEqual([])
  })
})

describe('Link', () => {
  it.each([
    ['</next>; rel="next"', '</next>; rel="next"'],
    ['</a>; rel=next, </b>; rel=prev', '</a>; rel=next, </b>; rel=prev'],
    ['</a,b;c>; rel=next; title="x, y; z"', '</a,b;c>; rel=next; title="x, y; z"'],
    ['</a>; rel="https://x.example/orders"', '</a>; rel="https://x.example/orders"'],
    ['</a>; rel=next, </x.js>; rel=preload; as=script', '</a>; rel=next'],
    ['</x.js>; rel="preload", </a>; rel=next', '</a>; rel=next'],
    ['</x.js>;REL=PreLoad', undefined],
    ['</x.js>; rel="next preload"', undefined],
    ['</x.js>; rel="next\tmodulepreload"', undefined],
    ['</x.js>; rel = "preload"', undefined],
    ["</x.js>; rel='preload'; rel=preload", undefined],
    ['</x.js>; rel="pre\\load"', undefined],
    ['</x.js>; rel=next; rel=preload', undefined],
    ['</x.js>; rel=prefetch', undefined],
    ['<//x>; rel=preconnect', undefined],
    ['<//x>; rel=dns-prefetch', undefined],
    ['</x>; rel=prerender', undefined],
    ['</x.css>; rel=stylesheet', undefined],
    ['</sw.js>; rel=serviceworker', undefined],
    ['</d>; rel=compression-dictionary', undefined],
    ['</m>; rel=manifest', undefined],
    ['</i>; rel="shortcut icon"', undefined],
    ['</x.js>', undefined],
    ['</x.js>; rel', undefined],
    ['x.js; rel=next', undefined],
    ['</x.js; rel=preload', undefined],
    ['</x>; rel="next', undefined],
    ['', undefined],
    [', ,</a>; rel=next,', '</a>; rel=next'],
  ])('%s becomes %s', (value, expected) => {
    expect(answer([...json, ['Link', value]]).link).toEqual(expected === undefined ? undefined : [expected])
  })
})

describe('caching', () => {
  const kept = route('/api/*', { cache: 'private' })

  it('a session route’s answer is not stored, whatever the upstream says', () => {
    const upstream: HeaderList = [
      ['cache-control', 'public, max-age=9'],
      ['Expires', 'x'],
      ['Pragma', 'y'],
      ['vary', 'Accept'],
    ]
    const got = answer([...json, ...upstream])
    expect(got['cache-control']).toEqual(['private, no-store'])
    expect(got).not.toHaveProperty('expires')
    expect(got).not.toHaveProperty('pragma')
    expect(got.vary).toEqual(['Accept'])
  })

  it.each<[string[], string]>([
    [['public, max-age=60'], 'private, max-age=60'],
    [['max-age=60, s-maxage=600, proxy-revalidate'], 'private, max-age=60'],
    [['S-MaxAge=600'], 'private'],
    [['PUBLIC'], 'private'],
    [['s-maxage = 600, public=x'], 'private'],
    [['private'], 'private'],
    [['private="set-cookie, x", max-age=5'], 'private, max-age=5'],
    [['max-age=5', 'public'], 'private, max-age=5'],
    [['no-cache="a, public", max-age=5'], 'private, no-cache="a, public", max-age=5'],
    [['no-store'], 'private, no-store'],
    [['max-age=5, "public'], 'private, no-store'],
    [['immutable,,stale-while-revalidate=9'], 'private, immutable, stale-while-revalidate=9'],
    [[], 'private, no-cache'],
  ])('with cache: private, %j becomes %j', (lines, expected) => {
    const upstream: HeaderList = lines.map((value) => ['Cache-Control', value] as const)
    expect(answer([...json, ...upstream], kept)['cache-control']).toEqual([expected])
  })

  it('with cache: private, Expires is a word too', () => {
    const got = answer([...json, ['expires', 'Sat, 01 Jan 2050 00:00:00 GMT']], kept)
    expect(got).toMatchObject({ 'cache-control': ['private'], expires: ['Sat, 01 Jan 2050 00:00:00 GMT'] })
  })

  it.each<[string[], string]>([
    [[], 'Cookie'],
    [[''], 'Cookie'],
    [['Accept'], 'Accept, Cookie'],
    [['Accept', 'Origin'], 'Accept, Origin, Cookie'],
    [['accept, COOKIE'], 'accept, COOKIE'],
    [['*'], '*'],
    [['X-Cookie'], 'X-Cookie, Cookie'],
  ])('with cache: private, Vary %j becomes %j', (lines, expected) => {
    expect(answer([...json, ...lines.map((value) => ['Vary', value] as const)], kept).vary).toEqual([expected])
  })

  it('an open route’s answer stands as the upstream says', () => {
    const upstream: HeaderList = [
      ['cache-control', 'public, max-age=9'],
      ['expires', 'x'],
      ['vary', 'Accept'],
    ]
    expect(answer([...json, ...upstream], open)).toMatchObject({
      'cache-control': ['public, max-age=9'],
      expires: ['x'],
      vary: ['Accept'],
    })
    expect(answer(json, open)).not.toHaveProperty('cache-control')
  })
})

describe('length', () => {
  it.each<[HeaderList, string[] | undefined]>([
    [[['Content-Length', '5']], ['5']],
    [
      [
        ['content-length', '5'],
        ['content-length', '5'],
      ],
      ['5'],
    ],
    [
      [
        ['content-length', '5'],
        ['content-length', '6'],
      ],
      undefined,
    ],
    [[['content-length', '5, 5']], undefined],
    [[['content-length', '-5']], undefined],
    [[['content-length', '+5']], undefined],
    [
      [
        ['content-length', '5'],
        ['transfer-encoding', 'chunked'],
      ],
      undefined,
    ],
    [[], undefined],
  ])('%j gives %j', (upstream, expected) => {
    expect(answer([...json, ...upstream])['content-length']).toEqual(expected)
  })

  it('is none on a 204', () => {
    expect(answer([['content-length', '0']], session, 204)).not.toHaveProperty('content-length')
  })
})

describe('Location', () => {
  const context = {
    upstream: session.upstream,
    route: session,
    requestTarget: '/v1/orders/',
    publicOrigin: 'https://app.example.com',
  }
  const located = (status: number, ...fields: HeaderList) =>
    Object.fromEntries(clientResponseHeaders(inLowerCase([...json, ...fields]), status, session, context))

  it('is rewritten to ours', () => {
    expect(located(201, ['Location', '/v1/orders/5'], ['Content-Location', '5'])).toMatchObject({
      location: '/api/orders/5',
      'content-location': '/api/orders/5',
    })
    expect(located(307, ['Location', 'https://orders.internal/v1/x']).location).toBe('/api/x')
  })

  it('that leads elsewhere is an error where a browser would follow it, and else is left out', () => {
    expect(() => located(302, ['Location', 'https://evil.example/'])).toThrow(
      expect.objectContaining({ code: 'upstream_redirect' }),
    )
    expect(located(201, ['Location', 'https://evil.example/'])).not.toHaveProperty('location')
    expect(located(200, ['Content-Location', 'https://evil.example/'])).not.toHaveProperty('content-location')
  })

  it('twice is an error on a redirect, and else is left out', () => {
    const twice: HeaderList = [
      ['Location', '/v1/a'],
      ['location', '/v1/b'],
    ]
    expect(() => located(303, ...twice)).toThrow(expect.objectContaining({ code: 'upstream_redirect' }))
    expect(located(201, ...twice)).not.toHaveProperty('location')
  })

  it('is left out where nobody says how it becomes ours', () => {
    expect(
      answer(
        [
          ['Location', '/v1/x'],
          ['Content-Location', '/v1/x'],
        ],
        session,
        201,
      ),
    ).not.toHaveProperty('location')
  })
})
