/** A configuration that is an object, made while the module is loaded: no clock, no randomness, no requests yet. */
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { worker } from '../../src/workers/index.ts'

declare const ISSUER: string
declare const SESSION_SECRET: string

export default worker({
  baseUrl: 'http://localhost:8787',
  provider: { issuer: ISSUER, clientId: 'coatcheck-demo', clientSecret: 'not asked for here, long enough' },
  session: { secrets: [SESSION_SECRET], store: cookieStore() },
  routes: [],
})
