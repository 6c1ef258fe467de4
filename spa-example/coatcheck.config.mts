/** The demo's configuration, as an operator would write one. `start.ts` gives the environment. */
import { defineConfig } from '../src/config/resolve.ts'
import { memoryStore } from '../src/session/stores/memory-store.ts'

export default defineConfig((env) => ({
  baseUrl: env.BASE_URL,
  provider: {
    issuer: env.ISSUER,
    clientId: env.CLIENT_ID,
    clientSecret: env.CLIENT_SECRET,
    scope: 'openid offline_access profile email orders:read orders:write files:read files:write',
  },
  session: {
    secrets: [env.SESSION_SECRET],
    idleTimeout: env.IDLE_TIMEOUT ?? '10m',
    absoluteTimeout: '12h',
    // `start.ts` puts a file in its place, and `workers/index.ts` Durable Objects.
    store: memoryStore(),
  },
  spa: env.VITE_URL ? { proxy: env.VITE_URL } : { dir: env.SPA_DIR ?? 'dist' },
  routes: [
    // One path twice: what is read and what is written ask for scopes of their own.
    {
      path: '/api/orders',
      upstream: `${env.API_URL}/v1/orders`,
      auth: 'session',
      methods: ['GET'],
      scopes: ['orders:read'],
    },
    {
      path: '/api/orders',
      upstream: `${env.API_URL}/v1/orders`,
      auth: 'session',
      methods: ['POST'],
      scopes: ['orders:write'],
    },
    {
      path: '/api/orders/*',
      upstream: `${env.API_URL}/v1/orders`,
      auth: 'session',
      methods: ['GET'],
      scopes: ['orders:read'],
    },
    {
      path: '/api/orders/*',
      upstream: `${env.API_URL}/v1/orders`,
      auth: 'session',
      methods: ['PATCH', 'DELETE'],
      scopes: ['orders:write'],
    },
    { path: '/api/products', upstream: `${env.API_URL}/v1/products`, auth: 'session', scopes: ['orders:read'] },
    {
      path: '/api/customers',
      upstream: `${env.API_URL}/v1/customers`,
      auth: 'session',
      methods: ['GET'],
      scopes: ['orders:read'],
    },
    {
      path: '/api/customers',
      upstream: `${env.API_URL}/v1/customers`,
      auth: 'session',
      methods: ['POST'],
      scopes: ['orders:write'],
    },
    { path: '/api/events', upstream: `${env.API_URL}/v1/events`, auth: 'session' },
    { path: '/api/reports/*', upstream: `${env.API_URL}/v1/reports`, auth: 'session', kinds: ['fetch', 'download'] },
    {
      path: '/api/files',
      upstream: `${env.API_URL}/v1/files`,
      auth: 'session',
      methods: ['GET'],
      scopes: ['files:read'],
    },
    {
      path: '/api/files',
      upstream: `${env.API_URL}/v1/files`,
      auth: 'session',
      methods: ['POST'],
      scopes: ['files:write'],
      bodyLimitBytes: 64 * 1024 * 1024,
    },
    {
      path: '/api/files/*',
      upstream: `${env.API_URL}/v1/files`,
      auth: 'session',
      methods: ['GET'],
      kinds: ['fetch', 'download'],
      scopes: ['files:read'],
    },
    {
      path: '/api/files/*',
      upstream: `${env.API_URL}/v1/files`,
      auth: 'session',
      methods: ['DELETE'],
      scopes: ['files:write'],
    },
    { path: '/api/errors/*', upstream: `${env.API_URL}/v1/errors`, auth: 'session', timeout: '5s' },
    // Nobody of the demo has this scope: the gateway itself says no.
    { path: '/api/staff/*', upstream: `${env.API_URL}/v1/errors`, auth: 'session', scopes: ['staff:read'] },
    {
      path: '/public/*',
      upstream: `${env.API_URL}/v1/public`,
      auth: 'none',
      reason: 'the price list, no personal data',
    },
  ],
}))
