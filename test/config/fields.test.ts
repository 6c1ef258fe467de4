/** One mistake in each field, and the words that it is answered with. */
import { describe, expect, it } from 'vitest'
import { ordinaryNames, usualNames } from '../support/identity-names.ts'
import { good, goodProvider, goodRoute, mistakes, otherSecret, resolve, secret } from './good.ts'

type Row = readonly [value: unknown, problem: string | RegExp]

function refuses(name: string, path: string, make: (value: unknown) => unknown, rows: readonly Row[]): void {
  describe(name, () => {
    it.each(rows.map(([value, problem]) => [value, problem] as const))('%j is refused', (value, problem) => {
      const found = mistakes(make(value))
      const ours = found.filter(
        (text) => text.startsWith(`${path} `) || text.startsWith(`${path}[`) || text.startsWith(`${path}.`),
      )
      expect(ours.join('\n'), found.join('\n')).toMatch(problem)
    })
  })
}

const wrongTypes: Row[] = [7, null, true, {}, []].map((value) => [value, /has to be|is neither/])

refuses('baseUrl', 'baseUrl', (baseUrl) => good({ baseUrl }), [
  ...wrongTypes,
  [undefined, 'is not set'],
  ['', 'not an http'],
  ['app.example.com', 'not an http'],
  ['ftp://app.example.com', 'not an http'],
  ['https:app.example.com', 'not an http'],
  ['https:///app.example.com', 'not an http'],
  ['https://app.example.com:99999', 'not an http'],
  ['https://app .example.com', 'not an http'],
  [' https://app.example.com', 'not an http'],
  ['https://app.example.com\\x', 'not an http'],
  ['http://app.example.com', 'plain http'],
  ['http://localhost.example.com', 'plain http'],
  ['http://127.0.0.1.example.com', 'plain http'],
  ['http://notlocalhost', 'plain http'],
  ['http://0.0.0.0:3000', 'plain http'],
  ['http://10.0.0.1', 'plain http'],
  ['https://app.example.com/app', 'more than an origin'],
  ['https://app.example.com/?', 'more than an origin'],
  ['https://app.example.com?x=1', 'more than an origin'],
  ['https://app.example.com/#', 'more than an origin'],
  ['https://user@app.example.com', 'user name'],
  ['https://user:password@app.example.com', 'user name'],
  ['https://app.example.com:443', 'as browsers write'],
  ['https://APP.example.com', 'as browsers write'],
  ['https://app.example.com/.', 'as browsers write'],
  ['http://127.1:3000', 'as browsers write'],
])

refuses('basePath', 'basePath', (basePath) => good({ basePath }), [
  [7, 'has to be'],
  ['/', 'the root'],
  ['', 'the root'],
  ['bff', 'not a plain path'],
  ['/bff/', 'not a plain path'],
  ['//bff', 'not a plain path'],
  ['/bff/..', 'not a plain path'],
  ['/./bff', 'not a plain path'],
  ['/b%66f', 'not a plain path'],
  ['/bff/*', 'not a plain path'],
  ['/:x', 'not a plain path'],
  ['/bff?x', 'not a plain path'],
  ['/bff\n', 'not a plain path'],
])

const provider = (field: string) => (value: unknown) => good({ provider: goodProvider({ [field]: value }) })

refuses('provider', 'provider', (value) => good({ provider: value }), [
  [undefined, 'is not set'],
  ['https://login.example.com', 'has to be an object'],
  [goodProvider({ isuer: 'x' }), 'provider.isuer is not a known setting → write issuer'],
])
refuses('provider.issuer', 'provider.issuer', provider('issuer'), [
  ...wrongTypes,
  [undefined, 'is not set'],
  ['login.example.com', 'not an http'],
  ['http://login.example.com', 'plain http'],
  ['https://login.example.com?tenant=a', 'has a query'],
  ['https://login.example.com/#a', 'has a fragment'],
  ['https://me:secret@login.example.com', 'user name'],
])
refuses('provider.clientId', 'provider.clientId', provider('clientId'), [
  [undefined, 'is not set'],
  ['', 'is empty'],
  [7, 'has to be'],
])
refuses('provider.clientSecret', 'provider.clientSecret', provider('clientSecret'), [
  [undefined, 'is not set'],
  [null, 'has to be'],
  ['', 'is empty'],
  ['  ', 'is empty'],
  ['secret\n', 'white space'],
])
refuses('provider.clientAuthentication', 'provider.clientAuthentication', provider('clientAuthentication'), [
  ['none', 'not known'],
  ['client_secret_pst', "write 'client_secret_post'"],
  [7, 'has to be'],
])
refuses('provider.scope', 'provider.scope', provider('scope'), [
  ['', 'not a list of scopes'],
  ['openid  orders', 'not a list of scopes'],
  ['openid,"orders"', 'not a list of scopes'],
  ['openid\norders', 'not a list of scopes'],
  [['openid'], 'has to be a string'],
])
refuses('provider.resource', 'provider.resource', provider('resource'), [
  ['orders', 'not an absolute URI'],
  ['https://orders.example.com/#a', 'not an absolute URI'],
  ['', 'not an absolute URI'],
])
refuses('provider.authorizationParameters', 'provider.authorizationParameters', provider('authorizationParameters'), [
  ['prompt=consent', 'has to be'],
  [{ prompt: 7 }, 'prompt has to be a string'],
  ...[
    'state',
    'nonce',
    'redirect_uri',
    'code_challenge',
    'code_challenge_method',
    'response_type',
    'response_mode',
  ].map((name): Row => [{ [name]: 'x' }, `${name} is not for this setting`]),
  [{ scope: 'x' }, 'set provider.scope'],
  [{ client_id: 'x' }, 'set provider.clientId'],
])
refuses('provider.metadata', 'provider.metadata', provider('metadata'), [
  ['x', 'has to be an object'],
  [{}, 'authorizationEndpoint is not set'],
  [{}, 'tokenEndpoint is not set'],
  [{}, 'jwksUri is not set'],
  [{ authorizationEndpoint: 'http://login.example.com/a' }, 'authorizationEndpoint is plain http'],
  [{ tokenEndpoint: 'http://login.example.com/a' }, 'tokenEndpoint is plain http'],
  [{ jwksUri: 'http://login.example.com/a' }, 'jwksUri is plain http'],
  [{ revocationEndpoint: 'http://login.example.com/a' }, 'revocationEndpoint is plain http'],
  [{ endSessionEndpoint: 'http://login.example.com/a' }, 'endSessionEndpoint is plain http'],
  [{ tokenEndpoint: 'https://login.example.com/a#b' }, 'tokenEndpoint has a fragment'],
  [{ tokenEndpont: 'x' }, 'tokenEndpont is not a known setting → write tokenEndpoint'],
  [{ authorizationResponseIssParameterSupported: 'yes' }, 'has to be true or false'],
])
refuses('provider.metadataUrl', 'provider.metadataUrl', provider('metadataUrl'), [
  ['http://login.example.com/meta', 'plain http'],
  ['/meta', 'not an http'],
])
refuses('provider.timeout', 'provider.timeout', provider('timeout'), [
  ['0s', 'out of bounds'],
  ['10m', 'out of bounds'],
])

const session = (field: string) => (value: unknown) => good({ session: { secrets: [secret], [field]: value } })

refuses('session', 'session', (value) => good({ session: value }), [
  [undefined, 'is not set'],
  [{ secrets: [secret], coordinator: {} }, 'coordinator is not a known setting'],
])
refuses('session.secrets', 'session.secrets', session('secrets'), [
  [undefined, 'is not set'],
  [secret, 'has to be a list'],
  [[], 'is empty'],
  [[undefined], 'is not set'],
  [[secret, undefined], '[1] is not set'],
  [[''], 'not 32 bytes'],
  [['password'], 'not 32 bytes'],
  [[`${secret}=`], 'not 32 bytes'],
  [[secret.slice(1)], 'not 32 bytes'],
  [[`${secret}\n`], 'not 32 bytes'],
  [[`${secret.slice(0, 42)}V`], 'not 32 bytes'],
  [[secret.replace('p', '+')], 'not 32 bytes'],
  [['A'.repeat(43)], 'not random'],
  [[encode(new Uint8Array(32).fill(7))], 'not random'],
  [[encode(Uint8Array.from({ length: 32 }, (_, index) => index))], 'not random'],
  [[encode(Uint8Array.from({ length: 32 }, (_, index) => 255 - index * 3))], 'not random'],
  [[encode(Uint8Array.from({ length: 32 }, (_, index) => index % 8))], 'not random'],
  [[encode(new TextEncoder().encode('correct horse battery staple 123'))], 'not random'],
  [[secret, otherSecret, secret], 'twice'],
])
for (const field of ['idleTimeout', 'absoluteTimeout']) {
  refuses(`session.${field}`, `session.${field}`, session(field), [
    ['', 'not a duration'],
    ['15', 'not a duration'],
    ['15 m', 'not a duration'],
    ['15min', 'not a duration'],
    ['1.5h', 'not a duration'],
    ['-5m', 'not a duration'],
    ['15M', 'not a duration'],
    ['1h30m', 'not a duration'],
    [1.5, 'not a duration'],
    [-1, 'not a duration'],
    [Number.NaN, /not a duration|has to be/],
    [Number.POSITIVE_INFINITY, 'not a duration'],
    [0, 'out of bounds'],
    ['999999999d', 'out of bounds'],
    [{}, 'has to be'],
  ])
}
refuses(
  'session.idleTimeout and absoluteTimeout',
  'session.idleTimeout',
  (value) => good({ session: { secrets: [secret], ...(value as object) } }),
  [
    [{ idleTimeout: '2h', absoluteTimeout: '1h' }, 'longer than absoluteTimeout'],
    [{ idleTimeout: '13h' }, 'longer than absoluteTimeout'],
    [{ absoluteTimeout: '10m' }, 'longer than absoluteTimeout'],
  ],
)
refuses('session.claims', 'session.claims', session('claims'), [
  ['sub', 'has to be a list'],
  [[7], 'has to be a string'],
  [[''], 'is empty'],
  [['sub', 'sub'], 'twice'],
])
refuses('session.store', 'session.store', session('store'), [
  ['cookie', 'has to be a session store'],
  [{}, 'not a session store'],
  [() => undefined, 'has to be a session store'],
])

const route = (field: string) => (value: unknown) => good({ routes: [goodRoute({ [field]: value })] })

refuses('routes', 'routes', (routes) => good({ routes }), [
  [undefined, 'is not set'],
  [{}, 'has to be a list'],
  [[7], 'has to be an object'],
  [[null], 'has to be an object'],
  [[goodRoute({ methds: ['GET'] })], 'methds is not a known setting → write methods'],
  [[goodRoute({ reason: 'x' })], "reason is not for auth: 'session' → leave it out: it is for auth: 'none'"],
  [
    [goodRoute({ auth: 'none', reason: 'x', scopes: ['a'] })],
    "scopes is not for auth: 'none' → leave it out: it is for auth: 'session', 'phantom'",
  ],
  [[goodRoute({ auth: 'none', reason: 'x', kinds: ['media'] })], "leave it out: it is for auth: 'session'"],
  [
    [goodRoute({ auth: 'none', reason: 'x', cache: 'private' })],
    "cache is not for auth: 'none' → leave it out (the API's own Cache-Control passes here): it is for auth: 'session'",
  ],
  [[{ ...goodRoute({ public: 'x' }), auth: 'phantom', audience: 'x' }], "public is not for auth: 'phantom'"],
  [[goodRoute(), goodRoute({ upstream: 'https://b.internal' })], 'has the same path as routes[0], for GET, HEAD'],
  [
    [goodRoute({ methods: ['POST'] }), goodRoute({ methods: ['POST', 'GET'] })],
    'has the same path as routes[0], for POST',
  ],
])
refuses('routes[].path', 'routes[0].path', route('path'), [
  [undefined, 'is not set'],
  [7, 'has to be a string'],
  ['', 'is empty'],
  ['api', 'does not start'],
  ['*', 'does not start'],
  ['https://app.example.com/api', 'does not start'],
  ['/api//orders', 'two slashes'],
  ['//api', 'two slashes'],
  ['/api//*', 'two slashes'],
  ['/api/./orders', 'dot segment'],
  ['/api/../orders', 'dot segment'],
  ['/..', 'dot segment'],
  ['/../*', 'dot segment'],
  ['/api/%6frders', 'percent-encoded'],
  ['/api/%2F', 'percent-encoded'],
  ['/api?x=1', 'a query'],
  ['/api#x', 'a query or a fragment'],
  ['/api/*/orders', 'not its last segment'],
  ['/api*', 'not its last segment'],
  ['/api/**', 'not its last segment'],
  ['/api/:', 'no parameter'],
  ['/api/:1', 'no parameter'],
  ['/api/:a-b', 'no parameter'],
  ['/api/:id/of/:id', 'names the parameter :id twice'],
  ['/:anything/session', 'covers /bff'],
  ['/api/{id}', 'a character'],
  ['/api;x', 'a character'],
  ['/api\\x', 'a character'],
  ['/api/a b', 'a character'],
  ['/api/é', 'a character'],
  ['/api/\u0000', 'a character'],
  ['/bff', 'is under /bff'],
  ['/bff/login', 'is under /bff'],
  ['/bff/*', 'is under /bff'],
  ['/*', 'covers /bff'],
])
refuses(
  'routes[].path of an app',
  'routes[0].path',
  (path) => good({ spa: { dir: 'dist' }, routes: [goodRoute({ path })] }),
  [
    ['/', 'where the app itself is'],
    ['/assets/*', "where the app's scripts are"],
    ['/assets/api', "where the app's scripts are"],
  ],
)
refuses(
  'routes[].upstream',
  'routes[0].upstream',
  route('upstream'),
  [
    [undefined, 'is not set'],
    [7, 'neither a URL nor a service binding'],
    [{}, 'neither a URL nor a service binding'],
    [{ fetch: 'x' }, 'neither a URL nor a service binding'],
    ['', 'not an http'],
    ['orders.internal', 'not an http'],
    ['https:\\\\orders.internal', 'not an http'],
    ['https://', 'not an http'],
    ['file:///etc/passwd', 'not an http'],
    ['http://orders.internal/v1', 'plain http'],
    ['http://orders.internal:443/v1', 'plain http'],
    ['https://user:password@orders.internal', 'user name'],
    ['https://orders.internal/v1?x=1', 'has a query'],
    ['https://orders.internal/v1#x', 'has a fragment'],
    ['https://orders.internal/v1/*', 'ends with a *'],
    ['https://orders.internal/v1/../v2', 'dot segment'],
    ['https://orders.internal/v1/%2e%2e/v2', 'percent-encoded'],
    ['https://orders.internal//v1', 'two slashes'],
    ['https://orders.internal/v1//', 'two slashes|does not'],
    ['https://orders.internal/v1;x', 'a character'],
    ['https://app.example.com/api', 'this server itself'],
    ['https://APP.example.com:443/api', 'this server itself'],
  ].map(([value, problem]) => [value, new RegExp(String(problem).replace(/\*/g, '\\*'))] as const),
)
refuses(
  'routes[].upstreamPath',
  'routes[0].upstreamPath',
  (value) => good({ routes: [goodRoute(value as Record<string, unknown>)] }),
  [
    [{ upstreamPath: '/v1' }, 'service bindings only'],
    [{ upstream: { fetch: () => undefined }, upstreamPath: 'v1' }, 'does not start'],
    [{ upstream: { fetch: () => undefined }, upstreamPath: '/../v1' }, 'dot segment'],
    [{ upstream: { fetch: () => undefined }, upstreamPath: 7 }, 'has to be a string'],
  ],
)
refuses('routes[].auth', 'routes[0].auth', route('auth'), [
  [undefined, 'is not set'],
  ['cookie', "none of 'session', 'phantom', 'split', 'jwt', 'client', 'none'"],
  [false, "none of 'session', 'phantom', 'split', 'jwt', 'client', 'none'"],
])
it('a route whose auth is not set has no other mistake for that: whose its settings are, nobody knows', () => {
  const everyKinds = { reason: 'x', public: 'x', resource: 'urn:x', scopes: ['a'], kinds: ['fetch'] }
  expect(mistakes(good({ routes: [goodRoute({ auth: undefined, ...everyKinds })] }))).toEqual([
    expect.stringContaining('routes[0].auth is not set'),
  ])
})
refuses('routes[].reason', 'routes[0].reason', (reason) => good({ routes: [goodRoute({ auth: 'none', reason })] }), [
  [undefined, 'is not set'],
  ['', 'is empty'],
  ['   ', 'is empty'],
  [true, 'has to be a string'],
])
refuses('routes[].methods', 'routes[0].methods', route('methods'), [
  ['GET', 'has to be a list'],
  [[], 'is empty'],
  [['get'], "write 'GET'"],
  [['OPTIONS'], 'not known'],
  [['TRACE'], 'not known'],
  [['CONNECT'], 'not known'],
  [['GET', 'GET'], 'twice'],
  [[7], 'has to be'],
])
refuses(
  'routes[].kinds and methods',
  'routes[0].methods',
  (value) => good({ routes: [goodRoute(value as Record<string, unknown>)] }),
  [
    [{ kinds: ['eventsource'], methods: ['GET', 'POST'] }, "has POST, which only the kind 'fetch' may call"],
    [{ kinds: ['download'], methods: ['DELETE'] }, 'has DELETE'],
    [{ kinds: ['media'], methods: ['PUT', 'PATCH'] }, 'has PUT, PATCH'],
    [{ kinds: ['websocket'], methods: ['POST'] }, 'has POST'],
    [{ kinds: ['websocket'], methods: ['GET', 'HEAD'] }, 'has HEAD'],
    [{ kinds: ['websocket', 'fetch'], methods: ['POST'] }, 'lacks GET'],
    [{ kinds: ['download'], methods: ['HEAD'] }, 'lacks GET'],
  ],
)
refuses('routes[].kinds', 'routes[0].kinds', route('kinds'), [
  ['fetch', 'has to be a list'],
  [[], 'is empty'],
  [['event-source'], "write 'eventsource'"],
  [['navigate'], 'not known'],
  [['fetch', 'fetch'], 'twice'],
])
refuses('routes[].scopes', 'routes[0].scopes', route('scopes'), [
  ['orders', 'has to be a list'],
  [['orders read'], 'not one scope'],
  [[''], 'not one scope'],
])

const forbiddenHeaders = [
  ...[
    'Cookie',
    'authorization',
    'Host',
    'Connection',
    'keep-alive',
    'TE',
    'Transfer-Encoding',
    'Upgrade',
    'Content-Length',
  ],
  ...[
    'Proxy-Authorization',
    'X-Forwarded-For',
    'x-forwarded-host',
    'Forwarded',
    'Via',
    'X-Real-IP',
    'Origin',
    'Referer',
  ],
  ...['Sec-Fetch-Site', 'sec-websocket-key', 'X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-CSRF'],
  ...[
    'X-Original-URL',
    'X-Rewrite-URL',
    'Remote-User',
    'X-Remote-User',
    'DPoP',
    'X-Middleware-Subrequest',
    'CF-Connecting-IP',
  ],
]
const headerRows: Row[] = [
  ['x-tenant', 'has to be a list'],
  [[7], 'has to be a string'],
  [[''], 'not the name'],
  [['x tenant'], 'not the name'],
  [['x-tenant: a'], 'not the name'],
  [['x-tenant\r\ncookie'], 'not the name'],
  [['x-é'], 'not the name'],
  [['x_tenant'], 'that can pass'],
  [['X-Tenant', 'x-tenant'], 'twice'],
  ...forbiddenHeaders.map((name): Row => [[name], 'never passes']),
]
refuses('routes[].requestHeaders', 'routes[0].requestHeaders', route('requestHeaders'), headerRows)
refuses('requestHeaders', 'requestHeaders', (requestHeaders) => good({ requestHeaders }), headerRows)

describe('a field that tells an API who calls', () => {
  it.each(usualNames)('is refused at the start, by its name: %s', (name) => {
    const refused = expect.stringContaining(`names ${name}, which never passes`)
    expect(mistakes(good({ requestHeaders: [name] }))).toEqual([refused])
    expect(mistakes(good({ routes: [goodRoute({ requestHeaders: [name] })] }))).toEqual([refused])
    expect(mistakes(good({ routes: [goodRoute({ headers: { request: { set: { [name]: 'x' } } } })] }))).toEqual([
      expect.stringContaining(`sets ${name.toLowerCase()}, which is ours to say or nobody's`),
    ])
  })

  it.each(ordinaryNames)('is not what only has a name like it: %s', (name) => {
    expect(resolve(good({ requestHeaders: [name] })).routes[0]?.requestHeaders).toEqual(new Set([name.toLowerCase()]))
  })
})

refuses('routes[].redirectHosts', 'routes[0].redirectHosts', route('redirectHosts'), [
  ['files.example.com', 'has to be a list'],
  [['https://files.example.com'], 'not a host'],
  [['files.example.com/x'], 'not a host'],
  [['*.example.com'], 'not a host'],
  [['user@files.example.com'], 'not a host'],
  [['files.example.com:443'], 'not a host'],
  [['files example'], 'not a host'],
  [[''], 'not a host'],
])
refuses('routes[].allow', 'routes[0].allow', route('allow'), [
  [true, 'has to be a list'],
  [['encoded_slash'], "write 'encoded-slash'"],
  [['dot-segments'], 'not known'],
])
refuses('routes[].content', 'routes[0].content', route('content'), [['html', 'not known']])
refuses('routes[].cache', 'routes[0].cache', route('cache'), [['public', 'not known']])
refuses('routes[].bodyLimitBytes', 'routes[0].bodyLimitBytes', route('bodyLimitBytes'), [
  ['10MB', 'has to be a number'],
  [-1, 'not a whole number'],
  [1.5, 'not a whole number'],
  [Number.POSITIVE_INFINITY, /not a whole number/],
  [2 ** 50, 'more than 100 GiB'],
])
refuses('routes[].timeout', 'routes[0].timeout', route('timeout'), [
  ['soon', 'not a duration'],
  [0, 'out of bounds'],
  ['2h', 'out of bounds'],
])
refuses('routes[].shared', 'routes[0].shared', route('shared'), [
  ['', 'is empty'],
  [true, 'has to be a string'],
])
refuses('routes[].allowInsecureUpstream', 'routes[0].allowInsecureUpstream', route('allowInsecureUpstream'), [
  ['yes', 'has to be true or false'],
])

refuses('spa', 'spa', (spa) => good({ baseUrl: 'http://localhost:3000', spa }), [
  ['dist', 'has to be an object'],
  [{}, 'none of dir, origin and proxy'],
  [{ dir: 'dist', proxy: 'http://localhost:5173' }, 'dir and proxy at once'],
  [{ dir: 'dist', origin: 'https://cdn.example.com' }, 'dir and origin at once'],
  [{ origin: 'http://cdn.example.com' }, 'plain http'],
  [{ origin: 'https://cdn.example.com/app?v=1' }, 'has a query'],
  [{ origin: 'https://user@cdn.example.com/' }, 'user name'],
  [{ origin: 'https://cdn.example.com/a/../b' }, 'origin'],
  [{ origin: 'cdn.example.com' }, 'not an http'],
  [{ origin: 7 }, 'has to be a string'],
  [{ origin: 'http://localhost:3000/app' }, 'this server itself'],
  [{ dir: '' }, 'dir is empty'],
  [{ dir: 7 }, 'dir has to be a string'],
  [{ folder: 'dist' }, 'folder is not a known setting'],
  [{ proxy: 'https://localhost:5173' }, 'not the http origin'],
  [{ proxy: 'http://vite.example.com' }, 'not the http origin'],
  [{ proxy: 'http://localhost:5173/app' }, 'not the http origin'],
  [{ proxy: 'localhost:5173' }, 'not the http origin'],
  [{ proxy: 'http://localhost:3000' }, 'this server itself'],
])
const csp = (value: unknown) => good({ spa: { dir: 'dist', csp: value } })
refuses('spa.csp', 'spa.csp', csp, [
  ['default-src *', 'has to be an object'],
  [{ scriptSource: [] }, 'scriptSource is not a known setting → write scriptSrc'],
  [{ imgSrc: 'https://a.example' }, 'has to be a list'],
  [{ imgSrc: [7] }, 'has to be a string'],
  [{ imgSrc: ['https://a.example https://b.example'] }, 'not one source'],
  [{ imgSrc: ['https://a.example; script-src *'] }, 'not one source'],
  [{ imgSrc: ['https://a.example,script-src'] }, 'not one source'],
  [{ imgSrc: ['https://a.example\nx'] }, 'not one source'],
  [{ imgSrc: [''] }, 'not one source'],
  [{ imgSrc: ['self'] }, 'without its quotes'],
  [{ styleSrc: ['unsafe-inline'] }, 'without its quotes'],
  [{ imgSrc: ["'none'"] }, 'takes everything away'],
  ...[
    "'unsafe-inline'",
    "'UNSAFE-EVAL'",
    "'unsafe-hashes'",
    "'nonce-abc'",
    '*',
    'https:',
    'http:',
    'data:',
    'blob:',
    'https://*',
    '*:443',
    'http://cdn.example.com',
  ].map((source): Row => [{ scriptSrc: [source] }, 'injected script']),
  [{ workerSrc: ['data:'] }, 'injected script'],
  ...[
    "'self'",
    "'SELF'",
    'https://app.example.com',
    'https://app.example.com/x/',
    'app.example.com',
    'app.example.com:*',
  ].map((source): Row => [{ scriptSrc: [source] }, 'what the API answers with']),
  [{ workerSrc: ["'self'"] }, 'what the API answers with'],
  [{ reportUri: 'http://a.example/r' }, 'not an address'],
  [{ reportUri: '//a.example/r' }, 'not an address'],
  [{ reportUri: '/r; script-src *' }, 'not an address'],
  [{ reportUri: 7 }, 'has to be a string'],
])
refuses('streams', 'streams', (streams) => good({ streams }), [
  [5, 'has to be an object'],
  [{ perSession: 0 }, 'not a whole number'],
  [{ perAddress: 0 }, 'not a whole number'],
  [{ total: 1.5 }, 'not a whole number'],
  [{ total: '5' }, 'has to be a number'],
  [{ perUser: 5 }, 'not a known setting'],
])

refuses('forwardAuth', 'forwardAuth', (forwardAuth) => good({ forwardAuth }), [
  [true, 'has to be an object'],
  [{}, 'proxy'],
  [{ proxy: 'caddy' }, 'not known'],
  [{ proxy: 'nginx', secret: 'short' }, 'is not 32 bytes'],
  [{ proxy: 'nginx', hosts: ['coatcheck'] }, 'not a known setting'],
  [{ proxy: 'nginx', header: 'x' }, 'not a known setting'],
])
const forwarded = (changes: object) => ({ forwardAuth: { proxy: 'nginx' }, ...changes })
refuses('routes[].forwardAuth', 'routes[0].forwardAuth', (changes) => good(changes as Record<string, unknown>), [
  [{ routes: [goodRoute({ forwardAuth: true })] }, 'nobody may ask'],
  [forwarded({ routes: [goodRoute({ forwardAuth: 'yes' })] }), 'has to be true or false'],
  [forwarded({ routes: [goodRoute({ forwardAuth: true, kinds: ['websocket'] })] }), "of the kind 'websocket'"],
  [forwarded({ routes: [goodRoute({ forwardAuth: true, kinds: ['fetch', 'eventsource'] })] }), "'eventsource'"],
  [
    forwarded({
      routes: [{ path: '/x', upstream: 'https://a.internal', auth: 'none', reason: 'a', forwardAuth: true }],
    }),
    "auth: 'session'",
  ],
])

it.each([
  ['query', { allow: ['page'] }],
  ['headers', { request: { set: { 'x-mode': 'strict' } } }],
  ['contentTypes', ['application/json']],
  ['bodyLimitBytes', 10],
])('a route with forwardAuth is not left with %s that the proxy would not keep', (name, value) => {
  const route = goodRoute({ [name]: value })
  expect(() => resolve(good({ routes: [route] }))).not.toThrow()
  const [mistake, ...others] = mistakes(good(forwarded({ routes: [{ ...route, forwardAuth: true }] })))
  expect(mistake).toContain(`routes[0].${name} would not hold for what the proxy passes on itself`)
  expect(others).toEqual([])
})

refuses('internalHosts', 'internalHosts', (internalHosts) => good({ internalHosts }), [
  ['coatcheck', 'has to be a list'],
  [['*'], 'is not a host'],
  [['a b'], 'is not a host'],
  [['http://coatcheck.internal'], 'is not a host'],
])

refuses('trustedProxies', 'trustedProxies', (trustedProxies) => good({ trustedProxies }), [
  ['10.0.0.0/8', 'has to be a list'],
  [['localhost'], 'no address or range'],
  [['10.0.0.0/99'], 'no address or range'],
  [[7], 'has to be a string'],
  [['10.0.0.1', '10.0.0.1'], 'names something twice'],
])

refuses('addresses', 'addresses', (addresses) => good({ addresses }), [
  [['10.0.0.0/8'], 'has to be an object'],
  [{ allow: [] }, 'is empty'],
  [{ allow: ['everyone'] }, 'no address or range'],
  [{ denied: ['10.0.0.1'] }, 'not a known setting'],
])

refuses('routes[].headers', 'routes[0].headers', (headers) => good({ routes: [goodRoute({ headers })] }), [
  [['x'], 'has to be an object'],
  [{ requests: {} }, 'not a known setting'],
  [{ request: { set: { Authorization: 'Bearer x' } } }, 'sets authorization'],
  [{ request: { add: { 'X-Forwarded-For': '10.0.0.1' } } }, 'sets x-forwarded-for'],
  [{ request: { set: { 'x y': 'z' } } }, 'not the name of a header field'],
  [{ request: { set: { x_y: 'z' } } }, 'not the name of a header field'],
  [{ request: { set: { x: 'a\r\nb: c' } } }, 'no value of a header field'],
  [{ response: { remove: 'x' } }, 'has to be a list'],
  ...['Set-Cookie', 'Clear-Site-Data', 'Access-Control-Allow-Origin', 'Strict-Transport-Security', 'Location'].map(
    (name): Row => [{ response: { set: { [name]: 'x' } } }, `sets ${name.toLowerCase()}, which no route may`],
  ),
  [{ response: { add: { Connection: 'x' } } }, 'sets connection'],
  [{ response: { allow: ['Set-Cookie'] } }, 'allows set-cookie, which no route may'],
  [{ response: { allow: 'x-total' } }, 'has to be a list'],
  [{ request: { allow: ['x-total'] } }, 'not a known setting'],
  ...['Cache-Control', 'Expires'].map(
    (name): Row => [
      { response: { set: { [name]: 'x' } } },
      `sets ${name.toLowerCase()}, and the answers of this route`,
    ],
  ),
  ...['Content-Security-Policy', 'X-Frame-Options', 'Permissions-Policy', 'Cross-Origin-Opener-Policy'].map(
    (name): Row => [
      { response: { set: { [name]: 'x' } } },
      `sets ${name.toLowerCase()}, which means something for a doc`,
    ],
  ),
  [{ response: { set: { 'WWW-Authenticate': 'x' } } }, 'sets www-authenticate, which asks for a credential'],
  [{ response: { allow: ['DPoP-Nonce'] } }, 'allows dpop-nonce, which asks for a credential'],
])

refuses(
  'routes[].headers of a route with limits',
  'routes[0].headers',
  (headers) => good({ routes: [goodRoute({ headers })], rateLimits: [{ per: 'session', requests: 9, window: '1m' }] }),
  [[{ response: { set: { RateLimit: 'x' } } }, 'sets ratelimit, which tells of the limits of this route']],
)

it('a route sets the fields that its answers can have', () => {
  const response = { set: { 'Cache-Control': 'max-age=60', Expires: '0', 'Content-Type': 'application/json' } }
  const policy = { response: { set: { 'Content-Security-Policy': "default-src 'self'" }, allow: ['Cache-Control'] } }
  const open = { path: '/open/*', upstream: 'https://x.internal', auth: 'none', reason: 'a test' }
  const routes = [
    goodRoute({ path: '/kept/*', cache: 'private', headers: { response } }),
    goodRoute({ path: '/page/*', content: 'page', headers: policy }),
    {
      ...open,
      headers: { response: { set: { 'WWW-Authenticate': 'Basic', 'Cache-Control': 'max-age=60', RateLimit: 'x' } } },
    },
  ]
  expect(resolve(good({ routes } as Parameters<typeof good>[0])).routes).toHaveLength(3)
})

refuses('routes[].query', 'routes[0].query', (query) => good({ routes: [goodRoute({ query })] }), [
  ['a=1', 'has to be an object'],
  [{ allow: 'page' }, 'has to be a list'],
  [{ remove: [''] }, 'is empty'],
  [{ remove: ['user.id'] }, 'is a part of a parameter'],
  [{ remove: ['filter[owner]'] }, 'is a part of a parameter'],
  [{ set: { tenant: 7 } }, 'has to be a string'],
])

refuses(
  'routes[].contentTypes',
  'routes[0].contentTypes',
  (contentTypes) => good({ routes: [goodRoute({ contentTypes })] }),
  [
    [[], 'is empty'],
    [['json'], 'no media type'],
    [['*/*'], 'no media type'],
    [['application/json; charset=utf-8'], 'no media type'],
  ],
)

refuses(
  'parameters in an upstream',
  'routes[0].upstream',
  (upstream) => good({ routes: [goodRoute({ path: '/api/orders/:id', upstream })] }),
  [
    ['https://orders.internal/v1/:number', 'has :number, which is no parameter of the route'],
    ['https://orders.internal/v1/:', 'no parameter'],
  ],
)

refuses('routes[].addresses', 'routes[0].addresses', (addresses) => good({ routes: [goodRoute({ addresses })] }), [
  [{ deny: ['10.0.0.0/8/8'] }, 'no address or range'],
])

refuses('listeners', 'listeners', (listeners) => good({ listeners }), [
  [3000, 'has to be an object'],
  [{ publc: 3000 }, 'publc is not a known setting → write public'],
  [{ public: -1 }, 'neither a port'],
  [{ public: 65_536 }, 'neither a port'],
  [{ public: 1.5 }, 'neither a port'],
  [{ public: 'localhost' }, 'neither a port'],
  [{ public: 'http://localhost:3000' }, 'neither a port'],
  [{ public: '::1:3000' }, 'neither a port'],
  [{ public: true }, 'has to be a port'],
])
refuses('hooks', 'hooks', (hooks) => good({ hooks }), [
  ['x', 'has to be an object'],
  [{ onLogin: 'x' }, 'onLogin has to be a function'],
  [{ claims: 1 }, 'claims has to be a function'],
  [{ onUpstreamRequest: {} }, 'onUpstreamRequest has to be a function'],
  [{ onSessionEnd: [] }, 'onSessionEnd has to be a function'],
  [{ claims: async () => ({}) }, 'claims is async'],
  [{ onUpstreamRequest: async () => undefined }, 'onUpstreamRequest is async'],
  [{ onLogn: () => undefined }, 'onLogn is not a known setting → write onLogin'],
])
refuses('thirdPartyInitiatedLogin', 'thirdPartyInitiatedLogin', (value) => good({ thirdPartyInitiatedLogin: value }), [
  ['true', 'has to be true or false'],
])
refuses(
  'provider.metadata and metadataUrl',
  'provider.metadataUrl',
  (metadataUrl) =>
    good({
      provider: goodProvider({
        metadataUrl,
        metadata: {
          authorizationEndpoint: 'https://l.example/a',
          tokenEndpoint: 'https://l.example/t',
          jwksUri: 'https://l.example/k',
        },
      }),
    }),
  [['https://l.example/meta', 'stands beside metadata']],
)

describe('what is close to a mistake and is none', () => {
  it.each([
    ['a base URL with a slash at its end', { baseUrl: 'https://app.example.com/' }],
    ['plain http on a loopback address', { baseUrl: 'http://127.0.0.1:3000' }],
    ['plain http below localhost', { baseUrl: 'http://app.localhost:3000' }],
    ['an issuer with a path', { provider: goodProvider({ issuer: 'https://login.example.com/realms/a/' }) }],
    [
      'a hash for a script',
      { spa: { dir: 'dist', csp: { scriptSrc: ["'sha256-abc='", "'wasm-unsafe-eval'", 'https://cdn.example.com'] } } },
    ],
    ['a worker from a blob', { spa: { dir: 'dist', csp: { workerSrc: ['blob:'] } } }],
    [
      'a script of another origin on the same host',
      { spa: { dir: 'dist', csp: { scriptSrc: ['https://app.example.com:8443'] } } },
    ],
    ['async work at sign-in', { hooks: { onLogin: async () => undefined, onSessionEnd: async () => undefined } }],
    ['a route beside the assets', { spa: { dir: 'dist' }, routes: [goodRoute({ path: '/assets-api/*' })] }],
    ['assets of an API where there is no app', { routes: [goodRoute({ path: '/assets/*' })] }],
    ['a path that begins as ours does', { routes: [goodRoute({ path: '/bffs/*' })] }],
    [
      'the same path with other methods',
      { routes: [goodRoute({ methods: ['GET'] }), goodRoute({ methods: ['POST'] })] },
    ],
    ['pages from a CDN', { spa: { origin: 'https://cdn.example.com/app/' } }],
    ['a proxy that asks by name', forwarded({ forwardAuth: { proxy: 'traefik', secret: otherSecret } })],
    ['few streams', { streams: { perSession: 1, total: 1 } }],
    ['a WebSocket', { routes: [goodRoute({ kinds: ['websocket'] })] }],
    [
      'an idle time as long as the absolute one',
      { session: { secrets: [secret], idleTimeout: '1h', absoluteTimeout: '60m' } },
    ],
  ])('%s', (_name, changes) => {
    expect(resolve(good(changes)).origin).toMatch(/^https?:/)
  })

  it('a WebSocket takes GET alone by default', () => {
    expect(resolve(good({ routes: [goodRoute({ kinds: ['websocket'] })] })).routes[0]?.methods).toEqual(
      new Set(['GET']),
    )
  })
})

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
