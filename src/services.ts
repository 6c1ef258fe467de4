/** What the endpoints and the gateway are given: made once, in `token-handler.ts`. */
import type { Context } from 'hono'
import type { Config } from './config/types.ts'
import type { Reply } from './endpoints/reply.ts'
import type { LiveStreams } from './gateway/live-streams.ts'
import type { RouteTable } from './gateway/match.ts'
import type { RateLimiter } from './gateway/rate-limits.ts'
import type { Target } from './gateway/target.ts'
import type { VerifyAccessToken } from './oauth/access-tokens.ts'
import type { AuthorizationServer } from './oauth/authorization-server.ts'
import type { ClientTokens } from './oauth/client-token.ts'
import type { Introspect } from './oauth/introspection.ts'
import type { JoinToken } from './oauth/joined-tokens.ts'
import type { VerifyLogoutToken } from './oauth/logout-token.ts'
import type { ExchangeToken } from './oauth/token-exchange.ts'
import type { Report } from './observability/events.ts'
import type { TellFailure } from './observability/failed-calls.ts'
import type { Runtime } from './runtime.ts'
import type { LogoutMarks } from './session/logout-marks.ts'
import type { Sealer } from './session/seal.ts'
import type { Sessions } from './session/sessions.ts'
import type { SplitTokens } from './session/split-tokens.ts'

export interface Services {
  readonly config: Config
  readonly runtime: Runtime
  readonly server: AuthorizationServer
  readonly sessions: Sessions
  readonly live: LiveStreams
  readonly logoutMarks: LogoutMarks
  readonly verifyLogoutToken: VerifyLogoutToken
  readonly verifyAccessToken: VerifyAccessToken
  readonly introspect: Introspect
  readonly exchangeToken: ExchangeToken
  readonly clientTokens: ClientTokens
  readonly splitTokens: SplitTokens
  readonly joinToken: JoinToken
  /** Those of the public listener. */
  readonly routes: RouteTable
  readonly internalRoutes: RouteTable
  readonly loginSealer: Sealer
  readonly logoutSealer: Sealer
  readonly report: Report
  /** What could not be answered as it was asked: failures of ours each, and refusals by their kind. */
  readonly tellFailure: TellFailure
  readonly reply: Reply
  readonly rateLimiter: RateLimiter
  /** Whose address the call comes from, as far as the proxies in front are trusted. */
  readonly clientAddress: (c: Context) => string | undefined
  /** With every call: tells the operator if the store is set up so that it would lose sessions. */
  readonly watchStore: () => void
  /** Rejects where the store cannot be asked. */
  readonly askStore: () => Promise<unknown>
}

/** What the first middleware leaves for the others. */
export interface BffEnv {
  Variables: {
    /** The request target, checked. */
    target: Target
  }
}
