/** Takes what a store holds, as a thief would, and tries to make something of it (protocol.md S1). */
import { expect } from 'vitest'
import type { SessionStore } from '../../src/coordinator.ts'
import { sealer } from '../../src/session/seal.ts'
import type { Session } from '../../src/session/session.ts'
import { testSecret } from '../support/system.ts'
import { movableClock, opened, type Process, signIn, startProcess } from './processes.ts'

const context = { origin: 'https://app.example.com', issuer: 'https://login.example.com', clientId: 'app' }
const seals = /Fe26\.2\*[\w*~.-]+~2/g

/** @param dump everything in the store, as text */
export async function expectNothingIn(store: SessionStore, dump: () => Promise<string>): Promise<void> {
  const clock = movableClock()
  const process = startProcess(store, clock)
  const mine = await signIn(process, { sub: 'ada-subject', sid: 'ada-sid-1' }, clock)
  const theirs = await signIn(process, { sub: 'grace-subject', sid: 'grace-sid-1' }, clock)
  clock.advance(301_000)
  await process.sessions.refresh(await opened(process, mine), () => undefined)
  const victim = (await opened(process, mine)).session
  const thief = (await opened(process, theirs)).session
  const text = await dump()
  // It is all there: the session's own id names its entry.
  expect(text).toContain(victim.id)
  const found = [...new Set(text.match(seals))]
  expect(found.length).toBeGreaterThan(3)

  const plain = [
    ...['ada-subject', 'grace-subject', 'ada-sid-1', 'Ada Lovelace', 'ada@example.com', 'Firefox'],
    ...['access-token', 'refresh-token', victim.ref, victim.ticketKey as string],
  ]
  for (const word of plain) expect(text, word).not.toContain(word)

  // With the server's secret, under every purpose that needs no ticket: notes and copies for revocation, and no session.
  const purposes = ['session', 'ledger', 'ticket', 'ticket-session', 'result', 'login', 'marker', 'about', 'revocation']
  for (const purpose of purposes as Parameters<typeof sealer>[1][]) {
    for (const seal of found) {
      const content = await sealer([testSecret], purpose, context).open(seal)
      expect(content ?? '', purpose).not.toMatch(/access-token|ada@example\.com|Ada Lovelace/)
      if (purpose !== 'about' && purpose !== 'revocation') expect(content, purpose).toBeUndefined()
    }
  }

  // With the secret, and another person's ticket.
  const withTicket = (session: Session) => sealer([testSecret], 'ticket-session', context, session.ticketKey)
  const opens = async (session: Session, word: string | undefined) => {
    const contents = await Promise.all(found.map((seal) => withTicket(session).open(seal)))
    return contents.some((content) => content?.includes(word as string))
  }
  expect(await opens(thief, victim.tokens.accessToken)).toBe(false)
  expect(await opens(victim, victim.tokens.accessToken)).toBe(true)

  await expectNoOther(process, victim, thief)
}

/** A thief who can write to the store puts one entry in another's place. */
async function expectNoOther({ sessions }: Process, victim: Session, thief: Session): Promise<void> {
  const mine = (await sessions.own?.list(thief))?.sessions ?? []
  expect(mine).toHaveLength(1)
  expect(mine[0]?.id).not.toBe(victim.id)
}
