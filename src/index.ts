/** Coatcheck's public API. */

export { ConfigError, type ConfigIssue } from './config/config-error.ts'
export { defineConfig, resolveConfig } from './config/resolve.ts'
export type { Config } from './config/types.ts'
export type { ConfigSource, Hooks, UpstreamConfig, UserConfig } from './config/user-config.ts'
export type { RouteConfig } from './config/user-routes.ts'
export type {
  Coordinator,
  EndedEntry,
  Lease,
  LedgerEntry,
  NewEntry,
  SessionIndex,
  SessionNotes,
  SessionStore,
} from './coordinator.ts'
export { CoatcheckError, type ErrorCode } from './errors.ts'
export type { SessionEnv, SessionVariable } from './gateway/session-middleware.ts'
export type { CoatcheckEvent, Report } from './observability/events.ts'
export type { Clock, Runtime, Transport } from './runtime.ts'
export { type CookieStoreOptions, cookieStore } from './session/stores/cookie-store.ts'
export { type MemoryCoordinatorOptions, memoryCoordinator } from './session/stores/memory-coordinator.ts'
export { memoryStore } from './session/stores/memory-store.ts'
export { type TokenHandler, type TokenHandlerOptions, tokenHandler } from './token-handler.ts'
export { webRuntime } from './web-runtime.ts'
