/**
 * What is worth telling an operator. No event carries a token, a cookie, a code or a claim; a session is
 * named by the first characters of its id, which open nothing.
 */

import type { UpstreamEvent } from '../runtime.ts'

export type CoatcheckEvent =
  | { readonly event: 'login_succeeded'; readonly session: string }
  | { readonly event: 'login_failed'; readonly code: string; readonly cause?: unknown }
  | { readonly event: 'session_ended'; readonly session: string; readonly reason: string }
  | { readonly event: 'streams_closed'; readonly session: string; readonly reason: string; readonly count: number }
  | { readonly event: 'logout_token_accepted'; readonly by: 'sid' | 'sub' }
  | { readonly event: 'session_refreshed'; readonly session: string; readonly version: number }
  | { readonly event: 'refresh_failed'; readonly session: string; readonly kind: string; readonly cause?: unknown }
  | { readonly event: 'refresh_answer_lost'; readonly session: string }
  | { readonly event: 'refresh_token_spent'; readonly session: string }
  /** A refresh brought tokens that are too long for the cookie: this version stays in the ledger (protocol.md C4). */
  | { readonly event: 'session_outgrown'; readonly session: string; readonly version: number }
  /** One session seems to be held twice (R10). */
  | { readonly event: 'session_cloned'; readonly session: string; readonly sign: 'old_version' | 'two_devices' }
  | { readonly event: 'revocation_failed'; readonly session: string; readonly cause?: unknown }
  | { readonly event: 'store_unavailable'; readonly during: string; readonly cause?: unknown }
  /** The store works, and is set up so that it would lose sessions. */
  | { readonly event: 'store_misconfigured'; readonly problem: string; readonly cure: string }
  | UpstreamEvent
  | { readonly event: 'hook_failed'; readonly hook: string; readonly cause?: unknown }
  /** A call from outside that was made with this server's own token. */
  | { readonly event: 'client_token_used'; readonly route: string; readonly method: string }
  /** `spa` is said, and the token handler has nothing that serves it: what to add, if the app around it does not. */
  | { readonly event: 'pages_not_served'; readonly setting: 'spa'; readonly add: string }
  /** In development: what did not pass of a request, and what to add to the route if it should. */
  | {
      readonly event: 'request_headers_dropped'
      readonly route: string
      readonly names: readonly string[]
      readonly add: string
    }
  /** An answer of 500 and above, or work that nobody waits for. */
  | {
      readonly event: 'request_failed'
      readonly code: string
      /** A word of ours for what exactly was wrong, such as which hook did what. */
      readonly reason?: string
      /** The path of its route as the configuration has it, and the origin that it leads to. */
      readonly route?: string
      readonly upstream?: string
      readonly cause?: unknown
    }
  /** Of one kind, with those of the last ten seconds that were not told yet. */
  | {
      readonly event: 'calls_refused'
      readonly code: string
      readonly status: number
      /** A word of ours for what exactly was wrong, which the caller is not told. */
      readonly reason?: string
      readonly route?: string
      readonly method: string
      readonly count: number
    }

export type Report = (event: CoatcheckEvent) => void

/** One line of JSON an event, on standard error. */
export const reportToConsole: Report = (event) => {
  console.error(eventLine(event))
}

/** JSON on one line, in ASCII: a terminal takes some of the characters that JSON leaves as they are for orders (U+009B). */
export function eventLine(event: CoatcheckEvent): string {
  const line = JSON.stringify(event, (key, value) => (key === 'cause' ? describeCause(value) : value))
  return line.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Names and codes only: messages of libraries may quote what they were given. */
function describeCause(cause: unknown): string {
  const parts: string[] = []
  for (let current = cause, depth = 0; current instanceof Error && depth < 4; current = current.cause, depth++) {
    const { code } = current as { code?: unknown }
    parts.push(typeof code === 'string' ? `${current.name} ${code}` : current.name)
  }
  return parts.join(' < ')
}
