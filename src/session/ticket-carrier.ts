/**
 * A ticket in the cookie: the id of the session and a key of its own. The session lies in the ledger, under a key that
 * is made of that one and the server's secret, so that what lies there opens with neither alone (S1). The ticket stays
 * the same for as long as the session lives; the idle clock is the ledger's.
 */
import type { Ending } from '../coordinator.ts'
import { ExpiringMap } from '../expiring-map.ts'
import { SharedWork } from '../shared-work.ts'
import { type Carrier, type CarrierOptions, type Found, type Presented, rememberedSessions } from './carrier.ts'
import { type LedgerRecords, ledger } from './ledger.ts'
import { loginRequired, storeUnavailable } from './refusals.ts'
import { type Sealer, sealer } from './seal.ts'
import { idleEndsAt, type Session } from './session.ts'
import { decodeSession, encodeSession } from './session-codec.ts'
import { isDueForRefresh } from './token-age.ts'

/** A session is not asked for again before: an end elsewhere is honoured within this time (E4). */
const trustedForMs = 500
const lookLimitMs = 10_000

interface Ticket {
  readonly id: string
  readonly key: string
  readonly createdAt: number
}

export function ticketCarrier(options: CarrierOptions): Carrier {
  const { secrets, context, clock, tokenClock, idleSeconds } = options
  const ticketSealer = sealer(secrets, 'ticket', context)
  const book = ledger({ ...options, records: ticketRecords(options) })
  const opened = new ExpiringMap<Ticket>(clock, rememberedSessions)
  const remembered = new ExpiringMap<Found & { readonly askedAt: number }>(clock, rememberedSessions)
  /** One look at a time for a session: a burst is opened once. */
  const looking = new SharedWork<Found | Ending | undefined>(clock, lookLimitMs)

  /** @param askedAt before the coordinator was asked: its answer may have taken a while */
  function remember(found: Found, askedAt: number): Found {
    const { session, seenAt } = found
    const end = idleEndsAt(session, seenAt, idleSeconds) * 1000
    remembered.set(session.id, { session, seenAt, askedAt }, end)
    return found
  }

  async function look({ id, ticketKey }: Presented): Promise<Found | Ending | undefined> {
    const before = remembered.get(id)
    const askedAt = clock.now()
    const known = await book.read({ id, ticketKey }, before?.session.version)
    if (known?.ending) remembered.delete(id)
    if (known?.ending) return known.ending
    // Gone, and so for every other process: not brought back by what this one remembers.
    if (!known) return undefined
    // A failover has lost what this process knows (R9).
    if (before && known.version < before.session.version) {
      const result = await book.adopt(known.version, before.session)
      if (result !== 'committed' && result !== 'stale') return result
    }
    const session = known.session ?? (before && before.session.version >= known.version ? before.session : undefined)
    if (!session) return undefined
    return remember({ session, seenAt: known.seenAt ?? before?.seenAt ?? session.createdAt }, askedAt)
  }

  function presentedBy({ id, key, createdAt }: Ticket): Presented {
    const { session, seenAt } = remembered.get(id) ?? {}
    return { id, createdAt, ticketKey: key, session, seenAt }
  }

  async function openNew(value: string): Promise<Presented | undefined> {
    const ticket = await openTicket(ticketSealer, value)
    if (!ticket) return undefined
    opened.set(value, ticket, clock.now() + idleSeconds * 1000)
    return presentedBy(ticket)
  }

  return {
    ledger: book,
    forget: (sessionId) => remembered.delete(sessionId),

    open(value) {
      const ticket = opened.get(value)
      return ticket === undefined ? openNew(value) : presentedBy(ticket)
    },

    async find(presented, _openedAt, isForLogout) {
      const known = remembered.get(presented.id)
      const isTrusted =
        known && clock.now() - known.askedAt < trustedForMs && !isDueForRefresh(known.session, tokenClock.now())
      const found = isTrusted && !isForLogout ? known : await looking.join(presented.id, () => look(presented))
      if (typeof found !== 'object') return found
      // The same entry, and another's ticket.
      if (found.session.ticketKey !== presented.ticketKey) return undefined
      const end = isForLogout ? found.session.endsAt : idleEndsAt(found.session, found.seenAt, idleSeconds)
      return end <= clock.now() / 1000 ? undefined : found
    },

    seal: (session) => ticketSealer.seal(JSON.stringify([session.id, session.ticketKey, session.createdAt])),

    async begin(session, about) {
      const askedAt = clock.now()
      const result = await book.begin(session, about)
      if (result === 'stale') throw storeUnavailable(new Error('a new session has an id that is taken'))
      if (result !== 'committed') throw loginRequired(false)
      remember({ session, seenAt: session.createdAt }, askedAt)
    },

    /** Nothing of the session is in the cookie, so nothing goes out. */
    answer({ session, presented }, seenAt) {
      const known = remembered.get(session.id)
      if (seenAt <= (known?.seenAt ?? presented.seenAt)) return []
      // Before it is written, so that a burst writes it once.
      if (known) remembered.set(session.id, { ...known, seenAt }, idleEndsAt(session, seenAt, idleSeconds) * 1000)
      return book.touch(session, seenAt).then(() => [])
    },
  }
}

/** Also where entries stay in this process: what a ticket opens does not depend on the store. */
function ticketRecords({ secrets, context }: CarrierOptions): LedgerRecords {
  const revocationSealer = sealer(secrets, 'revocation', context)
  const sealerOf = (ticketKey: string | undefined) => {
    if (ticketKey === undefined) throw new TypeError('a session behind a ticket has a key')
    return sealer(secrets, 'ticket-session', context, ticketKey)
  }
  return {
    async write(session) {
      const { refreshToken } = session.tokens
      const [payload, revocation] = await Promise.all([
        sealerOf(session.ticketKey).seal(encodeSession(session)),
        refreshToken === undefined ? undefined : sealRevocation(revocationSealer, session.id, refreshToken),
      ])
      return { payload, revocation }
    },
    async read(payload, { id, ticketKey }) {
      const text = await sealerOf(ticketKey).open(payload)
      const session: Session | undefined = text === undefined ? undefined : decodeSession(text)
      return session?.id === id ? session : undefined
    },
  }
}

/** A copy that needs no ticket: sessions end elsewhere, too. */
function sealRevocation(revocationSealer: Sealer, sessionId: string, refreshToken: string): Promise<string> {
  return revocationSealer.seal(JSON.stringify([sessionId, refreshToken]))
}

/** The refresh token; undefined for what does not open, or is another session's. */
export async function openRevocation(
  revocationSealer: Sealer,
  sessionId: string,
  revocation: string,
): Promise<string | undefined> {
  const text = await revocationSealer.open(revocation)
  if (text === undefined) return undefined
  const [id, refreshToken] = JSON.parse(text) as [string, string]
  return id === sessionId ? refreshToken : undefined
}

async function openTicket(ticketSealer: Sealer, value: string): Promise<Ticket | undefined> {
  const text = await ticketSealer.open(value)
  if (text === undefined) return undefined
  const [id, key, createdAt] = JSON.parse(text) as [string, string, number]
  return { id, key, createdAt }
}
