/**
 * What the authorization server has ended by a logout token, kept where all processes see it (protocol.md E2): a mark
 * for each `sid` or `sub`, with the token's `iat`. A session that was begun at or before it has ended, also one that is
 * only being created: a list of sessions would miss that.
 */
import type { Coordinator } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Clock } from '../runtime.ts'
import { furthestEnd } from './kept-until.ts'
import type { KeyedHash } from './keyed-hash.ts'
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
  isMarked(session: Session): boolean | Promise<boolean>
}

/** Where no back-channel is configured nothing is asked. */
export const noLogoutMarks: LogoutMarks = {
  add: async () => undefined,
  isMarked: () => false,
}

type Kind = 'sid' | 'sub' | 'sub without sid'

const knownForMs = 900
const rememberedAnswers = 10_000
const mostTries = 10

/** @param names what the store knows persons and tokens by: it learns no name, and none can be guessed (S1) */
export function logoutMarks(
  coordinator: Coordinator,
  clock: Clock,
  absoluteSeconds: number,
  names: KeyedHash,
): LogoutMarks {
  const unmarked = new ExpiringMap<true>(clock, rememberedAnswers)

  async function raise(issuer: string, kind: Kind, value: string, issuedAt: number): Promise<void> {
    const key = `mark:${await names.current([issuer, kind, value])}`
    const keepUntil = furthestEnd(clock.now(), absoluteSeconds)
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
    const { issuer, idTokenIssuedAt } = session
    const keys = (await names.all([issuer, kind, value])).map((name) => `mark:${name}`)
    const marks = await Promise.all(keys.map((key) => coordinator.read(key)))
    return marks.some((mark) => mark !== undefined && idTokenIssuedAt <= mark.version)
  }

  async function askForMarks(session: Session): Promise<boolean> {
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
  }

  return {
    async add({ issuer, sid, sub, issuedAt, jti, expiresAt }) {
      const jtiKeys = (await names.all([issuer, 'jti', jti])).map((name) => `logout:${name}`)
      const seen = await Promise.all(jtiKeys.map((key) => coordinator.recall(key)))
      if (seen.some((result) => result !== undefined)) {
        throw new CoatcheckError('invalid_request', { members: { parameter: 'logout_token', check: 'jti' } })
      }
      // With `sid` this one session of the person, and those of which no `sid` is known; without, all of them.
      if (sid !== undefined) {
        await raise(issuer, 'sid', sid, issuedAt)
        if (sub !== undefined) await raise(issuer, 'sub without sid', sub, issuedAt)
      } else if (sub !== undefined) await raise(issuer, 'sub', sub, issuedAt)
      // After the mark: if this is lost, the same token marks the same thing again.
      await coordinator.once(jtiKeys[0] as string, Math.max(1, expiresAt * 1000 - clock.now()), async () => 'seen')
    },

    isMarked: (session) => (unmarked.get(session.id) ? false : askForMarks(session)),
  }
}
