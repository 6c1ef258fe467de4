/** Whether an answer may be what it is. */
import type { Ending, Logout, Pending } from './browser.ts'
import { endDelayMs } from './checks.ts'
import { type Answer, sessionIn } from './process.ts'
import type { Scene } from './scene.ts'

type Presented = NonNullable<ReturnType<typeof sessionIn>>

export function judge(scene: Scene, self: Pending, answer: Answer, hadStoreFailure: boolean): void {
  const { what, label } = self
  if (what.kind === 'sign-in') what.signIn.isOver = true
  if (what.kind === 'logout') judgeLogout(scene, self, what, answer)
  if (what.kind === 'ending') judgeEnding(scene, self, what, answer)
  if (what.kind === 'call' || what.kind === 'ending') judgeCall(scene, self, answer, hadStoreFailure)
  if (answer.status === 503 && !((answer.retryAfterSeconds ?? 0) > 0))
    scene.checks.fail(`${label} is not told when to come back (R7)`)
  if (answer.status === 503 && !scene.hadFault) scene.checks.fail(`${label} is told to come back although all is well`)
}

/** What this takes longer than, the store may have forgotten meanwhile. */
const slowMs = 60_000

function judgeLogout(scene: Scene, self: Pending, { last, spared }: Logout, answer: Answer): void {
  const { checks, lab, store } = scene
  if (answer.status !== 200) return
  const presented = sessionIn(self.cookies)
  const known = answer.sessionId === undefined ? undefined : checks.known.get(answer.sessionId)
  // Of a session that has idled out the ledger has forgotten the newest tokens.
  const isLoggedOut = presented !== undefined && !checks.isIdle(seenAt(scene, presented))
  if (known) Object.assign(known, { endedAt: lab.now, isLoggedOut })
  if (!last) return
  if (store.peek(last.id)?.ending === undefined)
    checks.fail(`${self.label} leaves the session that this browser signed in to last (C3)`)
  const isKnown = !store.unclearEnds.has(last.id) && lab.now - self.begunAt < slowMs
  last.endedAt ??= lab.now
  if (!last.isLoggedOut && isKnown) Object.assign(last, { isLoggedOut: true, spared })
}

function judgeEnding(scene: Scene, self: Pending, { targets }: Ending, answer: Answer): void {
  const { checks, lab, store, provider } = scene
  if (answer.status !== 200) return
  for (const target of targets) {
    const { id, family } = target
    // It may have idled out on the way, and then it is not there to be ended.
    if (lab.now - self.begunAt >= slowMs) continue
    if (store.peek(id)?.ending === undefined) checks.fail(`${self.label} leaves ${id.slice(0, 4)} (S1)`)
    target.endedAt ??= lab.now
    // Others of its grant go on: its tokens are left alone (C3).
    const isShared = provider.sharing(family).some((other) => other !== family)
    if (!isShared && !store.unclearEnds.has(id)) target.isLoggedOut = true
  }
}

function judgeCall(scene: Scene, self: Pending, answer: Answer, hadStoreFailure: boolean): void {
  const { checks } = scene
  const { label } = self
  const presented = sessionIn(self.cookies)
  if (answer.status === 401 && presented) {
    const seen = seenAt(scene, presented)
    if (!checks.mayBeOut(presented.id, seen)) checks.fail(`${label}: session ${presented.id.slice(0, 4)} is lost`)
    if (!checks.isIdle(seen)) checkOvertaken(scene, self, presented.id, answer)
  } else if (answer.status === 200) {
    const endedAt = checks.known.get(answer.sessionId ?? '')?.endedAt
    // With the store out a process goes on with what it holds, until the access token ends (E4).
    if (endedAt !== undefined && self.begunAt > endedAt + endDelayMs && !hadStoreFailure) {
      checks.fail(`${label} is served with a session that has ended (E1, E4)`)
    }
  }
}

/** Where the idle clock stands that counts for this cookie. */
function seenAt({ setup, store }: Scene, { id, seenAt }: Presented): number {
  return setup.cookie === 'ticket' ? (store.peek(id)?.seenAt ?? seenAt) : seenAt
}

/** A late answer put the cookie of an ended session over that of a sign-in: a silent sign-in has to heal it. */
function checkOvertaken({ checks }: Scene, self: Pending, presentedId: string, answer: Answer): void {
  const { jar, signedIn } = self.browser
  const known = signedIn === undefined ? undefined : checks.known.get(signedIn)
  const isOvertaken = known !== undefined && known.id !== presentedId && known.excuses.size === 0
  const isNewestJar = [...self.cookies].every(([name, value]) => jar.get(name) === value)
  if (isOvertaken && isNewestJar && !answer.isSilent) checks.fail(`${self.label}: the sign-in was overtaken for good`)
}
