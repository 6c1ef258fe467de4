/**
 * What the authorization server has ended by a logout token, kept where all processes see it (sessions.md E2): a mark
 * for each `sid` or `sub`, with the token's `iat`. A session that was begun at or before it has ended, also one that is
 * only being created: a list of sessions would miss that.
 */
import { base64url } from 'jose'
import type { Coordinator } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Clock } from '../runtime.ts'
import type { Session } from './session.ts'

export interface EndedByServer {
  readonly issuer: string
  readonly sid: string | undefined
  readonly sub: string | undefined
  /** Epoch seconds, the server's clock. */
  readonly issuedAt: number
  readonly jti: string
  readonly expiresAt: number
}

export interface LogoutMarks {
  /** Resolves once it is durable (E3). @throws CoatcheckError `invalid_request` for a token that came before */
  add(ended: EndedByServer): Promise<void>
  /** Whether this session has been ended. Known answers are used for at most a second (E4). */
  isMarked(session: Session): Promise<boolean>
}

/** Where no back-channel is configured nothing is asked. */
export const noLogoutMarks: LogoutMarks = {
  add: async () => undefined,
  isMarked: async () => false,
}

type Kind = 'sid' | 'sub' | 'sub without sid'

const knownForMs = 900
const rememberedAnswers = 10_000
const skewMs = 60_000
const mostTries = 10

export function logoutMarks(coordinator: Coordinator, clock: Clock, absoluteSeconds: number): LogoutMarks {
  const unmarked = new ExpiringMap<true>(clock, rememberedAnswers)

  async function raise(key: string, issuedAt: number): Promise<void> {
    const keepUntil = clock.now() + absoluteSeconds * 1000 + skewMs
    for (let count = 0; count < mostTries; count += 1) {
      const known = await coordinator.read(key)
      if (known && known.version >= issuedAt) return
      const entry = { version: issuedAt, payload: '', keepUntil }
      if ((await coordinator.commit(key, known?.version ?? 0, entry)) === 'committed') return
    }
    throw new CoatcheckError('store_unavailable', { cause: new Error('a logout mark could not be written') })
  }

  async function isBefore(session: Session, kind: Kind, value: string | undefined): Promise<boolean> {
    if (value === undefined || session.idTokenIssuedAt === undefined) return false
    const mark = await coordinator.read(await keyOf(session.issuer, kind, value))
    return mark !== undefined && session.idTokenIssuedAt <= mark.version
  }

  return {
    async add({ issuer, sid, sub, issuedAt, jti, expiresAt }) {
      const jtiKey = `logout:${await digest([issuer, jti])}`
      if ((await coordinator.recall(jtiKey)) !== undefined) {
        throw new CoatcheckError('invalid_request', { members: { parameter: 'logout_token', check: 'jti' } })
      }
      // With `sid` this one session of the person, and those of which no `sid` is known; without, all of them.
      if (sid !== undefined) {
        await raise(await keyOf(issuer, 'sid', sid), issuedAt)
        if (sub !== undefined) await raise(await keyOf(issuer, 'sub without sid', sub), issuedAt)
      } else if (sub !== undefined) await raise(await keyOf(issuer, 'sub', sub), issuedAt)
      // After the mark: if this is lost, the same token marks the same thing again.
      await coordinator.once(jtiKey, Math.max(1, expiresAt * 1000 - clock.now()), async () => 'seen')
    },

    async isMarked(session) {
      if (unmarked.get(session.id)) return false
      const { sid, sub } = session
      // What is answered later may have been true no later than this.
      const askedAt = clock.now()
      const [bySession, bySub] = await Promise.all([
        sid === undefined ? isBefore(session, 'sub without sid', sub) : isBefore(session, 'sid', sid),
        isBefore(session, 'sub', sub),
      ])
      if (bySession || bySub) return true
      unmarked.set(session.id, true, askedAt + knownForMs)
      return false
    },
  }
}

async function keyOf(issuer: string, kind: Kind, value: string): Promise<string> {
  return `mark:${await digest([issuer, kind, value])}`
}

/** The store learns no name. */
async function digest(parts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(parts))
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}
