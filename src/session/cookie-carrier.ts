/** The session itself in the cookie. The ledger knows of it once it is refreshed or ended. */
import { CoatcheckError } from '../errors.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { Clock } from '../runtime.ts'
import { type Carrier, type CarrierOptions, type FoundSession, type Presented, rememberedSessions } from './carrier.ts'
import { compression, webDeflate } from './compress.ts'
import { type CookieChange, sessionCookieName } from './cookie-names.ts'
import { toCookies } from './cookie-parts.ts'
import { type Ledger, type LedgerRecords, type LedgerView, ledger, trustedForMs } from './ledger.ts'
import { storeUnavailable, successorUnknown } from './refusals.ts'
import { type Sealer, sealer } from './seal.ts'
import { idleEndsAt, type Session, shortId } from './session.ts'
import { decodeSession, encodeSession } from './session-codec.ts'
import { type PresentedSession, type SessionSeals, sessionSeals } from './session-seal.ts'

const madeSealLifetimeMs = 60_000
/** Within it other processes honour an end (E4). */
const youngMs = 1000
/** Characters at the end of a seal: its digest (`sealForm`). */
const sealDigestLength = 45

export function cookieCarrier(options: CarrierOptions): Carrier {
  const { secrets, context, coordinator, clock, report, isMarked, idleSeconds } = options
  const seals = sessionSeals(sealer(secrets, 'session', context), compression(options.rawDeflate ?? webDeflate))
  const records = recordsOf(coordinator.isInProcess ? undefined : sealer(secrets, 'ledger', context))
  const book = ledger({ ...options, records })
  const opened = openedSealCache(seals, clock, idleSeconds)
  const made = new ExpiringMap<Promise<string>>(clock, rememberedSessions)
  /** Versions that are too long for the cookie, by session id. */
  const outgrown = new ExpiringMap<number>(clock, rememberedSessions)

  /** One seal for all answers that carry the same thing: a burst at expiry is sealed once. */
  function sealOnce(session: Session, seenAt: number): Promise<string> {
    const key = `${session.id}.${session.version}.${seenAt}`
    const known = made.get(key)
    if (known) return known
    const seal = seals.seal({ session, seenAt }).then((value) => {
      opened.remember(value, { session, seenAt })
      return value
    })
    made.set(key, seal, clock.now() + madeSealLifetimeMs)
    return seal
  }

  /**
   * The ledger's word on a session, after it has learnt what this seal tells it: one that is authentic and newer than
   * what is known heals a ledger that lost something (R9). So does one that was refreshed before and of which nothing is
   * known: an older one that comes after it is then served, and its spent refresh token is not sent.
   */
  async function newestKnown(
    session: Session,
    openedAt: number,
    known: LedgerView | undefined,
  ): Promise<LedgerView | undefined> {
    if (known?.ending || (known && known.version > session.version)) return known
    if (!confirmIfNewest(session, known)) {
      // A process that was stopped in between: what was known may have been forgotten since.
      if (clock.now() - openedAt > trustedForMs) throw storeUnavailable(new Error('the seal is to be read again'))
      const result = await book.adopt(known?.version, session)
      if (result !== 'committed') return book.read(session, session.version)
    }
    return known
  }

  /** True where the browser has the version that the ledger has, or the only one there was: nothing is to be learnt. */
  function confirmIfNewest(session: Session, known: LedgerView | undefined): boolean {
    if (known === undefined) return session.version === 1
    if (known.ending || known.version !== session.version) return false
    book.confirm(session.id, session.version)
    return true
  }

  async function findOther(
    { session, seenAt }: PresentedSession,
    openedAt: number,
    isForLogout: boolean,
    read: ReturnType<Ledger['read']>,
  ): Promise<FoundSession> {
    const known = await newestKnown(session, openedAt, await read)
    if (known?.ending) return known.ending
    if (!known || known.version <= session.version) return { session, seenAt }
    if (known.session) return { session: known.session, seenAt }
    if (isForLogout || (await isMarked(session))) return { session, seenAt }
    report({ event: 'refresh_token_spent', session: shortId(session) })
    throw successorUnknown()
  }

  async function newestCookies(...[open, seenAt, cookies]: Parameters<Carrier['answer']>): Promise<CookieChange[]> {
    // A call that took until its seal had idled out: what was known of a successor may be forgotten by now, and an attempt
    // alone, which another that was stopped as long may just have recorded, tells nothing of it (C2, C6).
    const isIdle = idleEndsAt(open.session, open.presented.seenAt, idleSeconds) * 1000 <= clock.now()
    const known = await book.read(open.session, isIdle ? undefined : open.session.version)
    if (isIdle && !known?.session) return []
    // With a stub, the tokens that are newest are not known (R9): what this call holds is older.
    if (known?.ending || (known && known.version > open.session.version && !known.session)) return []
    const newest = known?.session ?? open.session
    // What only this process knows goes out whatever else is out of reach: it is all there is (R5).
    if (await isMarked(newest).catch((error) => known?.isHeld !== true && rethrow(error))) return []
    if (newest.version === open.presented.version && seenAt === open.presented.seenAt) return []
    const isOutgrown = outgrown.get(newest.id) === newest.version
    const seal = isOutgrown ? undefined : await sealOnce(newest, seenAt).catch(undefinedIfTooLarge)
    const changes = seal === undefined ? undefined : toCookies(sessionCookieName, seal, cookies)
    return changes ?? (await olderCookies(open, seenAt, cookies, newest))
  }

  /**
   * A refresh has brought tokens that are too long for the cookie. The browser goes on with the version that it has, whose
   * successor the ledger keeps for as long as that is used.
   */
  async function olderCookies(
    ...[{ presented }, seenAt, cookies, newest]: [...Parameters<Carrier['answer']>, newest: Session]
  ): Promise<CookieChange[]> {
    if (outgrown.get(newest.id) !== newest.version) {
      outgrown.set(newest.id, newest.version, newest.endsAt * 1000)
      report({ event: 'session_outgrown', session: shortId(newest), version: newest.version })
    }
    if (presented.session === undefined || seenAt === presented.seenAt) return []
    await book.touch(newest, seenAt)
    return toCookies(sessionCookieName, await sealOnce(presented.session, seenAt), cookies) ?? []
  }

  return {
    ledger: book,
    forget: () => undefined,
    begin: async () => undefined,
    seal: sealOnce,

    open: (value) => opened.known(value) ?? opened.open(value),

    find(presented, openedAt, isForLogout) {
      const { session, seenAt } = presented as Presented & PresentedSession
      const end = isForLogout ? session.endsAt : idleEndsAt(session, seenAt, idleSeconds)
      if (end * 1000 <= openedAt) return undefined
      const known = book.read(session, session.version)
      // Nearly every call, where the ledger is this process's.
      if (!(known instanceof Promise) && confirmIfNewest(session, known)) return { session, seenAt }
      return findOther({ session, seenAt }, openedAt, isForLogout, known)
    },

    answer(open, seenAt, cookies) {
      const carriesNothing = open.session.version === open.presented.version && seenAt === open.presented.seenAt
      // Most answers: what the coordinator said is too young to ask again only to say nothing (C2 lets nothing old go
      // out, and nothing goes). A version that another call made meanwhile goes out with that call, or the next (C6).
      if (carriesNothing && clock.now() - open.openedAt < youngMs) return []
      return newestCookies(open, seenAt, cookies)
    },
  }
}

/** Sealed where entries leave this process. */
function recordsOf(ledgerSealer: Sealer | undefined): LedgerRecords {
  return {
    async write(session) {
      const text = encodeSession(session)
      return { payload: ledgerSealer ? await ledgerSealer.seal(text) : text }
    },
    async read(payload, { id }) {
      const text = ledgerSealer ? await ledgerSealer.open(payload) : payload
      const session = text === undefined ? undefined : decodeSession(text)
      return session?.id === id ? session : undefined
    },
  }
}

function rethrow(error: unknown): never {
  throw error
}

function undefinedIfTooLarge(error: unknown): undefined {
  if (!(error instanceof CoatcheckError) || error.code !== 'session_too_large') throw error
}

/** Seals that were opened lately, by their text: opening one is ten times a call's other work. */
function openedSealCache(seals: SessionSeals, clock: Clock, idleSeconds: number) {
  // By the seal's end, which is its digest: to hash all of its three thousand characters takes 5 µs of a call's 70.
  const cache = new ExpiringMap<{ seal: string; presented: Presented }>(clock, rememberedSessions)
  const keyOf = (seal: string) => seal.slice(-sealDigestLength)
  function remember(seal: string, { session, seenAt }: PresentedSession): Presented {
    const { id, createdAt } = session
    const presented = { id, createdAt, ticketKey: undefined, session, seenAt }
    cache.set(keyOf(seal), { seal, presented }, idleEndsAt(session, seenAt, idleSeconds) * 1000)
    return presented
  }
  return {
    remember,
    known(seal: string): Presented | undefined {
      const entry = cache.get(keyOf(seal))
      if (entry?.seal !== seal) return undefined
      // The text that the next call brings, most likely: one is compared with itself without a look at its characters.
      entry.seal = seal
      return entry.presented
    },
    async open(seal: string): Promise<Presented | undefined> {
      const presented = await seals.open(seal)
      return presented && remember(seal, presented)
    },
  }
}
