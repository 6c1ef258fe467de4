/**
 * The guard for APIs: verifies the access tokens (JWTs, RFC 9068) of calls, denies by default, decides by scopes and
 * claims. On Node, Workers, Deno and Bun; it stands alone, on jose.
 */
export {
  type AccessTokenOptions,
  type AccessTokenVerifier,
  accessTokenVerifier,
} from './access-token.ts'
export type { Algorithm, AuthorizationServer } from './authorization-servers.ts'
export type { Call } from './call.ts'
export { accessOf } from './callers.ts'
export type { Access, AccessTokenClaims, Confirmation } from './claims.ts'
export type { DPoPOptions } from './dpop.ts'
export { type DPoPNonces, dpopNonces } from './dpop-nonces.ts'
export {
  type ExpressAllow,
  type ExpressErrorHandler,
  type ExpressHandler,
  expressErrors,
  expressGuard,
} from './express.ts'
export { assertExpressGuarded } from './express-routes.ts'
export {
  type FastifyAllow,
  type FastifyErrorHandler,
  fastifyErrors,
  fastifyGuard,
  type GuardedRouteOptions,
} from './fastify.ts'
export { guarded } from './fetch-handler.ts'
export { type Guard, type JwtGuardOptions, jwtGuard, type Refusal } from './guard.ts'
export { GuardError, type GuardErrorDetails, type RefusalCode } from './guard-error.ts'
export { guardedObject, type ObjectRule, ownerOf } from './guarded-object.ts'
export { allow, type GuardedEnv, honoGuard } from './hono.ts'
export { assertGuarded, unguardedRoutes } from './hono-routes.ts'
export type { KeySetOptions } from './key-set.ts'
export {
  type AnyPolicy,
  anyCaller,
  type OpenPolicy,
  openToEveryone,
  type Policy,
  requireAuthentication,
  requireClaims,
  requireScopes,
} from './policy.ts'
export { memoryReplayStore, type ReplayStore } from './replay-store.ts'
export type { ClientCertificate } from './sender-constraint.ts'
