/** What the ledger remembers of its own entries, so that a refresh need not open one first (protocol.md, "What there is"). */
import { beforeEach, describe, expect, it } from 'vitest'
import type { Coordinator } from '../../src/coordinator.ts'
import { type Ledger, type LedgerRecords, ledger } from '../../src/session/ledger.ts'
import { newSession, type Session } from '../../src/session/session.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { movableClock } from './processes.ts'

let clock: ReturnType<typeof movableClock>
let coordinator: Coordinator
let book: Ledger
/** Payloads that were opened. */
let opened: string[]
let session: Session

/** Written so that only who has the ticket's key reads it, as a seal is. */
const records: LedgerRecords = {
  async write(one) {
    return { payload: JSON.stringify(one) }
  },
  async read(payload, { id, ticketKey }) {
    opened.push(payload)
    const one = JSON.parse(payload) as Session
    return one.id === id && one.ticketKey === ticketKey ? one : undefined
  },
}

const startLedger = () =>
  ledger({
    coordinator,
    records,
    clock,
    idleSeconds: 600,
    absoluteSeconds: 3600,
    isMarked: async () => false,
    onMarked: () => undefined,
    report: () => undefined,
  })

beforeEach(() => {
  clock = movableClock()
  coordinator = memoryCoordinator({ clock })
  book = startLedger()
  opened = []
  const tokens = { accessToken: 'at-1', refreshToken: 'rt-1', scope: 'openid', issuedAt: clock.now() / 1000 }
  const start = { issuer: 'https://op.example.com', tokens, idToken: undefined, idTokenClaims: {}, shownClaims: {} }
  session = newSession(start, Math.floor(clock.now() / 1000), 3600, 'key-of-the-ticket')
})

describe('an entry that this process wrote or read', () => {
  it('is not opened again while it is the same', async () => {
    await book.begin(session, '')
    expect((await book.read(session))?.session).toEqual(session)
    expect(opened).toEqual([])

    const other = startLedger()
    expect((await other.read(session))?.session).toEqual(session)
    expect((await other.read(session))?.session).toEqual(session)
    expect(opened).toHaveLength(1)
  })

  it('is nothing to another ticket', async () => {
    await book.begin(session, '')
    for (const ticketKey of ['another key', undefined]) {
      expect((await book.read({ id: session.id, ticketKey }))?.session).toBeUndefined()
    }
  })

  it('is opened where the store has another one, of the same version too', async () => {
    await book.begin(session, '')
    const failedOver = { ...session, tokens: { ...session.tokens, refreshToken: 'rt-of-another-process' } }
    const { payload } = await records.write(failedOver)
    const lost = memoryCoordinator({ clock })
    await lost.commit(session.id, 0, { payload, version: 1, keepUntil: clock.now() + 600_000 })
    coordinator.read = lost.read
    expect((await book.read(session))?.session?.tokens.refreshToken).toBe('rt-of-another-process')
  })

  it('that is adopted does not take back the attempt of a call that was quicker', async () => {
    await book.recordAttempt(session)
    expect(await book.adopt(undefined, session)).toBe('stale')
    expect((await book.read(session))?.attemptAgeMs).toBeDefined()
  })

  it('is read where a store has promises of another make', async () => {
    await book.begin(session, '')
    const { read } = coordinator
    // biome-ignore lint/suspicious/noThenProperty: that is what is tried
    coordinator.read = ((id: string) => ({ then: (give: (entry: unknown) => void) => give(read(id)) })) as never
    expect((await book.read(session))?.session).toEqual(session)
  })

  it('is gone with the end of the session', async () => {
    await book.begin(session, '')
    await book.end(session)
    expect((await book.read(session))?.session).toBeUndefined()
    expect((await book.read(session))?.ending).toBe('ended')
  })
})
