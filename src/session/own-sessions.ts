/**
 * A person's own sessions, on whatever browser: listed, and ended without their tickets (S1, ASVS 7.5.2). What the server
 * may read for that is sealed under keys of its own: a few words on the session, and a copy of its refresh token that is
 * good for nothing but to whom has our client's credentials.
 */
import type { SessionEndReason } from '../config/user-config.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'
import { endOf, furthestEnd } from './kept-until.ts'
import { keyedHash } from './keyed-hash.ts'
import type { KeyContext } from './keys.ts'
import type { EndedByServer } from './logout-marks.ts'
import type { Grant } from './refresh-run.ts'
import { sealer } from './seal.ts'
import { type Session, shortId } from './session.ts'
import { openRevocation } from './ticket-carrier.ts'

/** Times are epoch seconds. */
export interface ListedSession {
  /** A keyed hash: it names the session to the person it belongs to, and opens nothing. */
  readonly id: string
  readonly createdAt: number
  readonly lastSeenAt: number
  /** In a word or two; empty where the browser does not say. */
  readonly device: string
  readonly isCurrent: boolean
}

export interface OwnSessions {
  /** What is kept about a session that is about to begin. */
  aboutText(session: Session, device: string): Promise<string>
  /**
   * Puts a session where it is found by whose it is. Once it is in the ledger, and not before: what the index has and the
   * ledger does not is over, and whoever looks in between would take it out for good.
   */
  register(session: Session): Promise<void>
  /** Ends the person's oldest sessions where there are more than are allowed. */
  endOldest(session: Session): Promise<void>
  /** The newest ones, and whether there are more. Without a subject there is this one only. */
  list(current: Session): Promise<{ sessions: ListedSession[]; hasMore: boolean }>
  /** `unknown`: an id that is none of this person's. `current`: the one that asks, which stays. */
  end(current: Session, listedId: string): Promise<'ended' | 'current' | 'unknown'>
  /** Signs out of one that is known by its id alone. Gives whose it was; nothing where it is over. */
  endById(sessionId: string): Promise<Pick<Session, 'sub'> | undefined>
  /** As many as go in one request; call again while there are more. */
  endOthers(current: Session): Promise<{ ended: number; hasMore: boolean }>
  /** What a logout token speaks of leaves the store at once; those that an index misses, its mark ends (E2). */
  endByServer(ended: EndedByServer): Promise<void>
}

export interface OwnSessionsOptions {
  secrets: readonly string[]
  context: KeyContext
  coordinator: Coordinator
  clock: Clock
  report: Report
  grant: Grant
  absoluteSeconds: number
  maxSessions?: number | undefined
  onEnd: (session: Pick<Session, 'id' | 'sub'>, reason: SessionEndReason) => void
}

/** What the index leads to. */
interface Known {
  readonly id: string
  readonly about: About
  readonly lastSeenAt: number
}

/** What the server may read of a session without its ticket. */
interface About {
  readonly sub: string | undefined
  readonly sid: string | undefined
  readonly createdAt: number
  readonly idTokenIssuedAt: number | undefined
  readonly device: string
}

/** A list that a person can look through. */
const listedSessions = 50
/**
 * Of the ids that one look reads this many may be over, before it takes another look; and how many looks there are. What is
 * over goes out as it is read: it takes thousands of sign-ins since the last look to bury a session under them.
 */
const spareIds = 50
const mostLooks = 50
const endedAtOnce = 100

export function ownSessions(options: OwnSessionsOptions): OwnSessions {
  const { secrets, context, coordinator, clock, report, grant, absoluteSeconds, maxSessions, onEnd } = options
  const { index } = coordinator
  const aboutSealer = sealer(secrets, 'about', context)
  const revocationSealer = sealer(secrets, 'revocation', context)
  const subjectHash = keyedHash(secrets, 'subject-index', context)
  const sidHash = keyedHash(secrets, 'sid-index', context)
  const listedId = keyedHash(secrets, 'listed-id', context)
  const tombstoneUntil = () => furthestEnd(clock.now(), absoluteSeconds)

  async function aboutOf(id: string, sealed: string): Promise<About | undefined> {
    const text = await aboutSealer.open(sealed)
    if (text === undefined) return undefined
    const { id: sealedFor, ...about } = JSON.parse(text) as About & { id: string }
    return sealedFor === id ? about : undefined
  }

  /** Undefined for what is over; empty for what does not open here, because its secret is not there (yet). */
  async function knownAs(id: string): Promise<Known[] | undefined> {
    const notes = await coordinator.readNotes(id)
    if (!notes) return undefined
    const about = await aboutOf(id, notes.about)
    return about ? [{ id, about, lastSeenAt: notes.seenAt ?? about.createdAt }] : []
  }

  /** The live sessions under these keys, the newest first, `limit` at most. What is over is taken out on the way. */
  async function known(keys: readonly string[], limit: number): Promise<Known[]> {
    const found = new Map<string, Known>()
    const readAtOnce = limit + spareIds
    for (const key of keys) {
      for (let round = 0; round < mostLooks && found.size < limit; round++) {
        const ids = await index.list(key, readAtOnce)
        const read = await Promise.all(ids.map(async (id) => ({ id, known: await knownAs(id) })))
        for (const one of read.flatMap(({ known }) => known ?? [])) found.set(one.id, one)
        const gone = read.filter(({ known }) => known === undefined).map(({ id }) => id)
        await index.remove(key, gone)
        if (gone.length === 0 || ids.length < readAtOnce) break
      }
    }
    return [...found.values()].sort((one, other) => other.about.createdAt - one.about.createdAt).slice(0, limit)
  }

  /** All of a person's, this one among them; nobody's where the provider names no subject. */
  async function knownOf({ id, issuer, sub }: Session, limit: number): Promise<Known[]> {
    if (sub === undefined) return (await knownAs(id)) ?? []
    const all = await known(await subjectHash.all([issuer, sub]), limit)
    return all.filter(({ about }) => about.sub === sub)
  }

  /**
   * Two sessions of one session at the provider share a grant, and revoking the one's refresh token would kill the other
   * (C3): then the tombstone has to do, and says so to a refresh that is under way.
   *
   * @param staying those that go on
   */
  async function endOne(one: Known, staying: readonly Pick<About, 'sid'>[], reason: SessionEndReason): Promise<void> {
    const { sid } = one.about
    const isShared = sid !== undefined && staying.some((other) => other.sid === sid)
    const entry = await coordinator.end(one.id, tombstoneUntil(), isShared ? 'ended_alone' : 'ended')
    report({ event: 'session_ended', session: shortId(one), reason })
    onEnd({ id: one.id, sub: one.about.sub }, reason)
    if (entry?.revocation === undefined || isShared || reason === 'backchannel_logout') return
    try {
      const refreshToken = await openRevocation(revocationSealer, one.id, entry.revocation)
      if (refreshToken !== undefined) await grant.revoke({ refreshToken })
    } catch (cause) {
      report({ event: 'revocation_failed', session: shortId(one), cause })
    }
  }

  return {
    aboutText({ id, sub, sid, createdAt, idTokenIssuedAt }, device) {
      const about: About & { id: string } = { id, sub, sid, createdAt, idTokenIssuedAt, device }
      return aboutSealer.seal(JSON.stringify(about))
    },

    async register(session) {
      const { id, sub, sid, issuer } = session
      const keepUntil = endOf(session)
      if (sub !== undefined) await index.add(await subjectHash.current([issuer, sub]), id, keepUntil)
      if (sid !== undefined) await index.add(await sidHash.current([issuer, sid]), id, keepUntil)
    },

    async endOldest(session) {
      if (maxSessions === undefined) return
      const all = await knownOf(session, maxSessions + endedAtOnce)
      const staying = all.slice(0, maxSessions).map(({ about }) => about)
      for (const one of all.slice(maxSessions)) await endOne(one, staying, 'ended_elsewhere')
    },

    async list(current) {
      const all = await knownOf(current, listedSessions + 1)
      const shown = all.slice(0, listedSessions)
      const sessions = await Promise.all(
        shown.map(async ({ id, about, lastSeenAt }) => ({
          id: await listedId.current([id]),
          createdAt: about.createdAt,
          lastSeenAt,
          device: about.device,
          isCurrent: id === current.id,
        })),
      )
      return { sessions, hasMore: all.length > listedSessions }
    },

    async end(current, wanted) {
      const all = await knownOf(current, listedSessions)
      for (const one of all) {
        if (!(await listedId.all([one.id])).includes(wanted)) continue
        if (one.id === current.id) return 'current'
        const staying = all.filter((other) => other !== one).map(({ about }) => about)
        await endOne(one, staying, 'ended_elsewhere')
        return 'ended'
      }
      return 'unknown'
    },

    async endById(sessionId) {
      const [one] = (await knownAs(sessionId)) ?? []
      if (one) await endOne(one, [], 'logout')
      return one && { sub: one.about.sub }
    },

    async endOthers(current) {
      // Besides these, the one that stays, and one that tells of more.
      const all = await knownOf(current, endedAtOnce + 2)
      const others = all.filter(({ id }) => id !== current.id)
      const ending = others.slice(0, endedAtOnce)
      for (const one of ending) await endOne(one, [current], 'ended_elsewhere')
      return { ended: ending.length, hasMore: others.length > ending.length }
    },

    async endByServer({ issuer, sid, sub, issuedAt }) {
      const keys = sid !== undefined ? await sidHash.all([issuer, sid]) : await subjectHash.all([issuer, sub ?? ''])
      for (const one of await known(keys, endedAtOnce)) {
        const { idTokenIssuedAt } = one.about
        if (idTokenIssuedAt !== undefined && idTokenIssuedAt <= issuedAt) await endOne(one, [], 'backchannel_logout')
      }
    },
  }
}
