/** What lets a call in, and what it is given on its way: one file for each `auth` of a route. */
import type { Context } from 'hono'
import type { Route } from '../../config/types.ts'
import type { HeaderList, IncomingHeaders, UpstreamResponse } from '../../runtime.ts'
import type { Services } from '../../services.ts'
import type { KeepAlive, OpenSession } from '../../session/sessions.ts'
import type { Callers } from '../rate-limits.ts'

/** A call that a route was found for. */
export interface Call {
  readonly c: Context
  /** Of the call itself: what asks for it by forward auth may have another. */
  readonly method: string
  readonly route: Route
  readonly headers: IncomingHeaders
  readonly keepAlive: KeepAlive
}

export interface Admission {
  /** What the upstream gets as `Authorization`; asked for each time it is sent, since a replay takes a newer token. */
  authorization(): string | undefined
  /** Who it is, for limits per caller. */
  readonly caller: Callers
  /** What rate limits say of the calls that are left. */
  readonly left?: HeaderList
  /** What the operator's hooks may know of the caller. */
  readonly claims: Readonly<Record<string, unknown>> | undefined
  /** Whose session it is: a stream ends with it (protocol.md E6). */
  readonly open?: OpenSession
  /**
   * After a 401: sends once more with a newer token where there is one and the call can be repeated, else gives what was
   * answered. Without it nothing is sent again, and no body is worth keeping.
   */
  resend?(rejected: UpstreamResponse, send: Send, isReplayable: boolean): Promise<UpstreamResponse>
  /** The fields that are added when the head of the answer is written, such as our cookies. */
  finish(answer: UpstreamResponse): HeaderList | Promise<HeaderList>
}

/** Sends the call, with the authorization that there is by then. */
type Send = () => Promise<UpstreamResponse>

/** Gives an answer instead of an admission where a problem document would not do. @throws CoatcheckError for who is refused */
export type Admit = (services: Services, call: Call) => Admission | Promise<Admission | Response>
