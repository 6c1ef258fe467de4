import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../src/config/config-error.ts'
import { defineConfig, resolveConfig } from '../../src/config/resolve.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { good, goodProvider, goodRoute, mistakes, otherSecret, resolve, secret } from './good.ts'

const noFieldRules = { set: [], add: [], remove: new Set() }

describe('a configuration that is right', () => {
  it('gets every default', () => {
    const config = resolve(good())
    expect(config).toMatchObject({
      origin: 'https://app.example.com',
      host: 'app.example.com',
      isSecureOrigin: true,
      basePath: '/bff',
      provider: {
        clientAuthentication: 'client_secret_basic',
        scope: 'openid offline_access',
        usesOpenId: true,
        timeoutSeconds: 10,
        authorizationParameters: {},
      },
      session: {
        idleSeconds: 1800,
        absoluteSeconds: 43_200,
        claims: ['sub', 'name', 'preferred_username', 'email', 'picture'],
      },
      listeners: { public: { host: undefined, port: 3000 }, internal: undefined, management: undefined },
      spa: undefined,
      forwardAuth: undefined,
      streams: { perSession: 100, perAddress: 100, total: 20_000 },
      hooks: {},
      thirdPartyInitiatedLogin: false,
      backChannelLogout: false,
      notices: [],
    })
    const [route] = config.routes
    expect(route).toEqual({
      path: '/api/orders/*',
      listener: 'public',
      audience: undefined,
      upstreamToken: { from: 'caller' },
      prefix: '/api/orders',
      isExact: false,
      upstream: { origin: 'https://orders.internal', basePath: '/v1', binding: undefined },
      methods: new Set(['GET', 'HEAD']),
      auth: 'session',
      kinds: new Set(['fetch']),
      scopes: [],
      requestHeaders: new Set(),
      redirectHosts: new Set(),
      allowEncodedSlash: false,
      allowSemicolon: false,
      content: 'data',
      cache: 'no-store',
      forwardAuth: false,
      bodyLimitBytes: 10 * 1024 * 1024,
      earlyHints: false,
      trailers: new Set(),
      timeoutMs: 30_000,
      headers: { request: noFieldRules, response: { ...noFieldRules, allow: undefined } },
      query: undefined,
      contentTypes: undefined,
      addresses: undefined,
      rateLimits: { byAddress: [], byCaller: [] },
    })
  })

  it('keeps what it says', () => {
    const store = cookieStore()
    const onLogin = () => undefined
    const config = resolve(
      good({
        basePath: '/auth/bff',
        provider: goodProvider({
          scope: 'orders',
          resource: 'urn:orders',
          timeout: '5s',
          authorizationParameters: { prompt: 'consent' },
        }),
        session: { secrets: [secret, otherSecret], idleTimeout: '15m', absoluteTimeout: '7d', claims: ['sub'], store },
        requestHeaders: ['X-Request-Id'],
        hooks: { onLogin },
        spa: { dir: 'dist', csp: { imgSrc: ['https://images.example.com', 'data:'] } },
        listeners: { public: '[::1]:8080' },
        routes: [
          goodRoute({
            upstream: 'https://orders.internal/',
            methods: ['GET', 'POST'],
            kinds: ['fetch', 'download'],
            requestHeaders: ['X-Tenant'],
            redirectHosts: ['Files.example.com:8443'],
            allow: ['encoded-slash', 'semicolon'],
            scopes: ['orders'],
            cache: 'private',
            timeout: 5,
            bodyLimitBytes: 0,
          }),
        ],
      }),
    )
    expect(config).toMatchObject({
      basePath: '/auth/bff',
      provider: {
        usesOpenId: false,
        resource: 'urn:orders',
        timeoutSeconds: 5,
        authorizationParameters: { prompt: 'consent' },
      },
      session: { idleSeconds: 900, absoluteSeconds: 604_800, claims: ['sub'], secrets: [secret, otherSecret] },
      hooks: { onLogin },
      spa: { dir: 'dist', csp: { imgSrc: ['https://images.example.com', 'data:'] } },
      listeners: { public: { host: '::1', port: 8080 }, internal: undefined, management: undefined },
    })
    expect(config.session.store).toBe(store)
    expect(config.routes[0]).toMatchObject({
      upstream: { origin: 'https://orders.internal', basePath: '' },
      methods: new Set(['GET', 'POST']),
      kinds: new Set(['fetch', 'download']),
      requestHeaders: new Set(['x-request-id', 'x-tenant']),
      redirectHosts: new Set(['files.example.com:8443']),
      allowEncodedSlash: true,
      allowSemicolon: true,
      cache: 'private',
      bodyLimitBytes: 0,
      timeoutMs: 5000,
    })
  })

  it('has no route, if it has an app alone', () => {
    expect(resolve(good({ routes: [], spa: { dir: 'dist' } })).routes).toEqual([])
  })

  it('listens where browsers look for it on a development machine, and nowhere else', () => {
    const listens = (baseUrl: string, listeners?: unknown) => resolve(good({ baseUrl, listeners })).listeners.public
    expect(listens('http://localhost:3000')).toEqual({ host: '127.0.0.1', port: 3000 })
    expect(listens('https://app.localhost')).toEqual({ host: '127.0.0.1', port: 443 })
    expect(listens('http://127.0.0.2:81')).toEqual({ host: '127.0.0.2', port: 81 })
    expect(listens('http://[::1]:3000')).toEqual({ host: '::1', port: 3000 })
    expect(listens('http://localhost:3000', { public: 4000 })).toEqual({ host: undefined, port: 4000 })
    expect(listens('https://app.example.com', { public: '8080' })).toEqual({ host: undefined, port: 8080 })
  })

  it('takes a service binding as an upstream', () => {
    const binding = { fetch: async () => new Response() }
    const [route] = resolve(good({ routes: [goodRoute({ upstream: binding, upstreamPath: '/v1/' })] })).routes
    expect(route?.upstream).toEqual({ origin: 'https://binding.internal', basePath: '/v1', binding })
  })

  it('is plain OAuth 2 without openid, by discovery or by hand', () => {
    const metadata = {
      authorizationEndpoint: 'https://login.example.com/authorize?tenant=a',
      tokenEndpoint: 'https://login.example.com/token',
    }
    expect(resolve(good({ provider: goodProvider({ scope: 'orders' }) })).provider).toMatchObject({
      usesOpenId: false,
      metadata: undefined,
    })
    expect(resolve(good({ provider: goodProvider({ scope: 'orders', metadata }) })).provider.metadata).toEqual(metadata)
  })

  it('reports by name every exception that it makes', () => {
    const { notices } = resolve(
      good({
        spa: {
          dir: 'dist',
          csp: { styleSrc: ["'unsafe-inline'"], imgSrc: ['https:', 'data:'], connectSrc: ['https://api.example.com'] },
        },
        routes: [
          goodRoute({ path: '/docs', content: 'page', kinds: ['download', 'fetch'], scopes: ['docs:read'] }),
          goodRoute({ path: '/old/*', upstream: 'http://old.internal', allowInsecureUpstream: true }),
          goodRoute({
            path: '/prices',
            upstream: 'https://a.internal/prices',
            auth: 'none',
            reason: 'a price list',
            shared: 'members see more',
          }),
          goodRoute({ path: '/member-prices', upstream: 'https://a.internal/prices', shared: 'members see more' }),
        ],
      }),
    )
    expect(notices).toEqual([
      '/docs may be called without X-CSRF, as download',
      '/docs answers with documents of this origin, not data',
      '/docs asks for docs:read, which provider.scope does not request',
      '/old/* sends to http://old.internal in plain http',
      '/prices is open to everyone: a price list',
      '/prices shares a resource with what is reached by another auth: members see more',
      '/member-prices shares a resource with what is reached by another auth: members see more',
      'spa.csp.imgSrc has https:',
      'spa.csp.imgSrc has data:',
      "spa.csp.styleSrc has 'unsafe-inline'",
    ])
  })
})

describe('a function of the environment', () => {
  it('is called with it', () => {
    const source = defineConfig((env) => ({
      baseUrl: env.BASE_URL,
      provider: { issuer: env.ISSUER, clientId: 'app', clientSecret: env.CLIENT_SECRET },
      session: { secrets: [env.SESSION_SECRET] },
      routes: [],
    }))
    const env = {
      BASE_URL: 'https://a.example',
      ISSUER: 'https://b.example',
      CLIENT_SECRET: 'c',
      SESSION_SECRET: secret,
    }
    expect(resolveConfig(source, env)).toMatchObject({ origin: 'https://a.example', provider: { clientSecret: 'c' } })
  })

  it('may have an environment of another type, such as the bindings of a Worker', () => {
    interface Bindings {
      SECRET: string
      ORDERS: { fetch(request: Request): Promise<Response> }
    }
    const source = defineConfig<Bindings>((env) => ({
      baseUrl: 'https://a.example',
      provider: { issuer: 'https://b.example', clientId: 'app', clientSecret: 'c' },
      session: { secrets: [env.SECRET] },
      routes: [{ path: '/api/*', upstream: env.ORDERS, auth: 'session' }],
    }))
    const ORDERS = { fetch: async () => new Response() }
    expect(resolveConfig(source, { SECRET: secret, ORDERS }).routes[0]?.upstream.binding).toBe(ORDERS)
  })

  it('is told which fields and which variables are missing, each once', () => {
    const source = (env: Record<string, string | undefined>) =>
      good({
        provider: goodProvider({ clientSecret: env.CLIENT_SECRET }),
        session: { secrets: [env.SESSION_SECRET] },
        listeners: { public: env.PORT },
      })
    expect(catchError(() => resolve(source, { PORT: '3000' })).message).toBe(
      [
        'The configuration has 2 mistakes:',
        "  provider.clientSecret is not set\n    → write the client's secret, from the environment",
        '  session.secrets[0] is not set\n    → take what `coatcheck keygen` prints',
        'Variables that were read and are not set: CLIENT_SECRET, SESSION_SECRET.',
      ].join('\n\n'),
    )
  })

  it('is not told of variables where nothing is missing for them', () => {
    const source = (env: Record<string, string | undefined>) =>
      good({ listeners: { public: env.PORT ?? 3000 }, basePath: '/' })
    expect(catchError(() => resolve(source)).message).not.toContain('PORT')
  })

  it('that throws is reported without the values of the environment', () => {
    const source = (env: Record<string, string | undefined>) => {
      throw new Error(`cannot use ${env.TOKEN} without ${env.OTHER}`)
    }
    expect(mistakes(source, { TOKEN: 'very-secret-value' })).toEqual([
      ' threw Error: cannot use … without undefined, when its function was called → set OTHER, or mend the function',
    ])
  })

  it('that is asynchronous is refused, and its rejection is not left unhandled', () => {
    const source = async () => Promise.reject(new Error('late'))
    expect(mistakes(source)).toEqual([expect.stringContaining('asynchronous')])
  })

  it('that gives nothing is refused', () => {
    expect(mistakes(() => undefined)).toEqual([expect.stringContaining('has to be an object, and is not set')])
  })
})

describe('mistakes', () => {
  it('are all told at once, of every kind', () => {
    const found = mistakes(
      good({
        baseUrl: 'http://app.example.com',
        bsePath: '/x',
        provider: goodProvider({ clientSecret: undefined, issuer: 7 }),
        session: { secrets: [], idleTimeout: '2d', absoluteTimeout: '1d' },
        routes: [goodRoute({ path: 'api' }), goodRoute({ auth: 'none' }), 'x'],
        spa: { dir: 'dist', csp: { scriptSrc: ['*'] } },
        listeners: { public: 'x' },
        hooks: { onLogin: 1 },
      }),
    )
    expect(found.map((text) => text.split(' ')[0])).toEqual([
      'bsePath',
      'baseUrl',
      'provider.issuer',
      'provider.clientSecret',
      'session.secrets',
      'session.idleTimeout',
      'routes[0].path',
      'routes[1].reason',
      'routes[2]',
      'spa.csp.scriptSrc[0]',
      'listeners.public',
      'hooks.onLogin',
    ])
  })

  it('are told once of a name that is misspelt, and what stands under it is read', () => {
    expect(
      mistakes({
        bseUrl: 'https://app.example.com',
        providr: { isuer: 'https://login.example.com', clientID: 'app', clientSecrett: 'a-long-client-secret' },
        sesion: { secrts: [secret], idleTimout: 'soon' },
        rotes: [{ pth: '/api/*', upstrem: 'https://orders.internal', auht: 'none', reson: 'x' }],
      }),
    ).toEqual([
      'bseUrl is not a known setting → write baseUrl',
      'providr is not a known setting → write provider',
      'sesion is not a known setting → write session',
      'rotes is not a known setting → write routes',
      'provider.isuer is not a known setting → write issuer',
      'provider.clientID is not a known setting → write clientId',
      'provider.clientSecrett is not a known setting → write clientSecret',
      'session.secrts is not a known setting → write secrets',
      'session.idleTimout is not a known setting → write idleTimeout',
      expect.stringContaining('session.idleTimeout is not a duration'),
      'routes[0].pth is not a known setting → write path',
      'routes[0].upstrem is not a known setting → write upstream',
      'routes[0].auht is not a known setting → write auth',
      'routes[0].reson is not a known setting → write reason',
    ])
  })

  it('are told of a name that is misspelt beside the right one, which counts', () => {
    expect(mistakes(good({ baseURL: 'http://other.example', basUrl: 'ftp://other.example' }))).toEqual([
      'baseURL is not a known setting → write baseUrl',
      'basUrl is not a known setting → write baseUrl',
    ])
  })

  it('say that a variable may be missing, where the configuration may have read it by itself', () => {
    const { message } = catchError(() => resolve(good({ provider: goodProvider({ clientSecret: undefined }) })))
    expect(message).toMatch(/\n\nA setting that comes from the environment is not set where its variable is not\.$/)
  })

  it('are one readable text', () => {
    const error = catchError(() => resolve(good({ baseUrl: 'http://app.example.com', sesion: {} })))
    expect(error.message).toBe(
      [
        'The configuration has 2 mistakes:',
        '  sesion is not a known setting\n    → write session',
        '  baseUrl is plain http, and its host is not this machine: browsers keep no Secure cookie there\n    → write https://app.example.com',
      ].join('\n\n'),
    )
  })

  it('never show a secret, wherever it was written', () => {
    const error = catchError(() =>
      resolve(
        good({
          baseUrl: `https://${secret}@app.example.com/`,
          provider: goodProvider({ clientSecret: 'hunter2hunter2 ', scope: `${secret} "` }),
          session: { secrets: [secret, secret, `${secret}=`] },
          routes: [goodRoute({ path: `/${secret}//x`, requestHeaders: ['cookie'] })],
          [secret]: 1,
        }),
      ),
    )
    expect(error.message).not.toContain(secret)
    expect(error.message).not.toContain('hunter2')
    expect(JSON.stringify(error.issues)).not.toContain(secret)
  })

  it('put no control characters and no endless text on the screen', () => {
    const error = catchError(() => resolve(good({ '\u001b[2Jx': 1, ['y'.repeat(5000)]: 1 })))
    expect(error.message).not.toContain('\u001b')
    expect(error.message.length).toBeLessThan(2000)
  })
})

function catchError(action: () => unknown): ConfigError {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
