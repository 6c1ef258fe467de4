/**
 * The whole of it: a browser with tabs, processes, a store and a provider, driven by a list of choices. Each choice takes
 * one step of what is under way, with the fate that it says, or begins something new.
 */
import type { RequestCookies } from '../../../src/session/cookie-names.ts'
import { Checks, checkCookie, endDelayMs, type Known } from './checks.ts'
import { type SharedStore, sharedStore } from './coordinator.ts'
import { inspect } from './fake-seal.ts'
import { Lab, type Owner, outside, type Step } from './lab.ts'
import { type Answer, call, logout, type Process, sessionIn, signIn, startProcess, type Variation } from './process.ts'
import { type Family, Provider } from './provider.ts'

export interface Setup {
  readonly seed: number
  /** Difference of each process's clock. */
  readonly skewsMs: readonly number[]
  /** What the cookie carries. Default `session`. */
  readonly cookie?: 'session' | 'ticket'
  /** 0: strict. */
  readonly graceMs: number
  /** Only what the person sees is looked at, not how it came to that. */
  readonly variation?: Variation
}

/** What, and how. (0, 0) takes the step that has waited longest, and lets it turn out well. */
export type Choice = readonly [what: number, how: number]

export interface Outcome {
  readonly violation: string | undefined
  readonly trace: readonly string[]
}

interface Call {
  readonly label: string
  readonly process: Process
  readonly begunAt: number
  readonly cookies: RequestCookies
  answer: Answer | undefined
  isOver: boolean
}

export const highestWhat = 99
export const highestHow = 9
/** Choices below take a step. */
const firstCommand = 60
const secretPhases = [['one'], ['one', 'two'], ['two', 'one']] as const
const sessionCookie = '__Host-Http-coatcheck'

export async function explore(setup: Setup, choices: readonly Choice[]): Promise<Outcome> {
  const lab = new Lab(setup.seed)
  return lab.with(async () => {
    const world = new World(lab, setup)
    await world.begin()
    for (const choice of choices) {
      if (world.checks.violation !== undefined) break
      await world.choose(choice)
    }
    if (world.checks.violation === undefined) await world.finish()
    return { violation: world.checks.violation, trace: lab.trace }
  })
}

class World {
  readonly checks: Checks
  readonly #lab: Lab
  readonly #setup: Setup
  readonly #store: SharedStore
  readonly #provider: Provider
  readonly #processes: Process[] = []
  readonly #phases: number[] = []
  readonly #phaseOf = new WeakMap<Process, number>()
  /** When each was last stopped, by name: an answer that comes to it then is late. */
  readonly #stoppedAt = new Map<string, number>()
  readonly #calls: Call[] = []
  readonly #jar = new Map<string, string>()
  /** Cookies that the browser has had before. */
  readonly #past: RequestCookies[] = []
  /** The session of the sign-in that this browser has last heard of. */
  #signedIn: string | undefined
  #signIns: { key: string; family: Family; rivals: readonly string[]; isOver: boolean }[] = []
  #hadFault = false
  #started = 0

  constructor(lab: Lab, setup: Setup) {
    this.#lab = lab
    this.#setup = setup
    this.checks = new Checks(lab, setup.graceMs, setup.variation !== undefined)
    this.#store = sharedStore(
      lab,
      setup.skewsMs.some((skewMs) => skewMs !== 0),
    )
    this.#provider = new Provider(lab, setup.graceMs, {
      onSend: (family, token, owner) => {
        const stored = family.sessionId === undefined ? undefined : this.#store.peek(family.sessionId)
        const isBeside = [...family.requests].some(
          ([other, sentAt]) => !other.isGone && !this.#wasStopped(other, sentAt),
        )
        // Stopped for longer than its lease: what it writes when it goes on may come between an attempt and its request.
        const before = family.rotations.get(token)
        const isLate = before !== undefined && this.#wasStopped(before.holder, before.at)
        this.checks.onSend(family, token, isBeside && !this.#wasStopped(owner, 0), isLate ? undefined : stored)
      },
      onReuse: (family, rotation) => {
        const version = family.versions.get(rotation.token) ?? 0
        const wasTried = this.#store.triedBeforeAttempt.has(`${family.sessionId} ${version}`)
        const wasStopped = this.#wasStopped(rotation.holder, rotation.at)
        const isUnclear = this.#store.unclear.has(family.sessionId ?? '')
        this.checks.onReuse(family, rotation, { wasTried, wasStopped, isUnclear })
      },
    })
    for (const index of setup.skewsMs.keys()) {
      this.#phases.push(0)
      this.#start(index)
    }
  }

  #wasStopped(owner: Owner, since: number): boolean {
    return owner.isStopped || (this.#stoppedAt.get(owner.name) ?? -1) >= since
  }

  async begin(): Promise<void> {
    await this.#signIn(0, false)
    await this.#settle()
  }

  async choose([what, how]: Choice): Promise<void> {
    const ready = this.#lab.ready()
    if (what < firstCommand && ready.length > 0) {
      const step = ready[Math.floor((what * ready.length) / firstCommand)] as Step
      await this.#take(step, how)
    } else await this.#command(what - firstCommand, how)
  }

  /** Mostly well. */
  async #take(step: Step, how: number): Promise<void> {
    const fates = Object.keys(step.fates)
    const place = Math.max(0, how - 5)
    if (place > 0 && fates.length > place) this.#hadFault = true
    await this.#lab.take(step, fates[place] ?? (fates[0] as string))
  }

  async #command(what: number, how: number): Promise<void> {
    const at = how % this.#processes.length
    if (what < 14) await this.#call(at, this.#jar)
    else if (what < 17) await this.#call(at, this.#past[Math.floor(how / 2) % this.#past.length] ?? this.#jar)
    else if (what < 26)
      await this.#advance([1000, 1000, 3000, 5000, 16_000, 30_000, 40_000, 50_000, 61_000, 61_000][how] ?? 0)
    else if (what < 28) this.#crash(at)
    else if (what < 30) this.#stop(at)
    else if (what < 32) this.#resume(at)
    else if (what < 34) this.#abort(how)
    else if (what < 36) await this.#signIn(at, how > 4)
    else if (what < 37) await this.#logout(at)
    else if (what < 38) await this.#endByProvider(at, how > 4)
    else if (what < 39) await this.#advance(how > 7 ? 31 * 60_000 : 61_000)
    else this.#rotateSecrets(at)
  }

  /** What is under way meanwhile is slow. */
  async #advance(ms: number): Promise<void> {
    if (this.#lab.steps.length > 0) this.#hadFault = true
    await this.#lab.advance(ms)
  }

  /** Everything turns out well from now on; then the browser has to be signed in, or to know why it is not. */
  async finish(): Promise<void> {
    this.#lab.log('from here on all goes well')
    for (const at of this.#processes.keys()) this.#resume(at)
    await this.#settle()
    for (const pending of this.#calls) {
      if (!pending.isOver && !pending.process.isGone) this.checks.fail(`${pending.label} gets no answer`)
    }
    for (let at = 0; at < this.#processes.length; at++) await this.#mustServe(at)
    for (const known of this.checks.known.values()) this.checks.afterLogout(known)
  }

  async #mustServe(at: number): Promise<void> {
    await this.#lab.advance(61_000)
    for (let count = 0; count < 8; count++) {
      const asked = await this.#call(at, this.#jar)
      await this.#settle()
      if (asked?.answer?.status !== 503) return
      await this.#lab.advance(20_000)
    }
    this.checks.fail('a call is told to come back again and again, and all is well')
  }

  async #settle(): Promise<void> {
    for (let count = 0; count < 1000 && this.checks.violation === undefined; count++) {
      const [step] = this.#lab.ready()
      if (step) await this.#take(step, 0)
      else if (this.#calls.some(({ isOver }) => !isOver) && count < 900) await this.#lab.advance(500)
      else return
    }
  }

  #start(index: number): void {
    this.#started += 1
    const owner: Owner = { name: `p${this.#started}`, isGone: false, isStopped: false }
    const skewMs = this.#setup.skewsMs[index] ?? 0
    const now = () => this.#lab.now + skewMs
    const phase = this.#phases[index] ?? 0
    const process = startProcess(owner, {
      lab: this.#lab,
      coordinator: this.#store.of(owner, now),
      grant: this.#provider.grant(owner, () => Math.floor(now() / 1000)),
      skewMs,
      secrets: secretPhases[phase] ?? [],
      variation: this.#setup.variation ?? {},
      cookie: this.#setup.cookie ?? 'session',
    })
    this.#processes[index] = process
    this.#phaseOf.set(process, phase)
  }

  async #call(at: number, jar: RequestCookies): Promise<Call | undefined> {
    const process = this.#processes[at] as Process
    const cookies = new Map(jar)
    const presented = sessionIn(cookies)
    if (!presented) return this.#checkEmptyJar(jar)
    return this.#request(process, cookies, `call ${this.#calls.length}`, (self) =>
      call(
        process,
        cookies,
        (open, isReplay) => {
          // One that was stopped between the API's 401 and the replay has looked at the time before.
          if (!isReplay) this.checks.onUse(self.label, open)
          return this.#lab.send(
            process,
            `waits for the API in ${self.label}`,
            { done: () => 'served', 'done, slowly': () => 'served', 'token refused': () => 'refused' },
            { limitMs: 5000 },
          )
        },
        () => {
          const stored = this.#store.peek(presented.id)
          const failures = this.#store.failures()
          return (changes) => {
            const sent = inspect(changes.find(({ name }) => name === sessionCookie)?.value)
            // With the store out, what this process alone has goes out (R5).
            const isAsked = failures === this.#store.failures()
            checkCookie(this.checks, process, presented, sent, isAsked ? stored : undefined)
          }
        },
      ),
    )
  }

  /** A browser without a session has had none, or has lost it by its own sign-out. */
  #checkEmptyJar(jar: RequestCookies): undefined {
    const isJar = jar === this.#jar
    const known = isJar && this.#signedIn !== undefined ? this.checks.known.get(this.#signedIn) : undefined
    if (known && known.excuses.size === 0) this.checks.fail('the cookie of a living session is gone (C1)')
    return undefined
  }

  async #logout(at: number): Promise<void> {
    const process = this.#processes[at] as Process
    const cookies = new Map(this.#jar)
    const presented = sessionIn(cookies)
    if (!presented) return
    const leaving = this.checks.known.get(presented.id)
    for (const family of leaving ? this.#provider.sharing(leaving.family) : []) this.checks.excuse(family, 'logout')
    this.#provider.endGrant()
    const { variation } = this.#setup
    await this.#request(process, cookies, `logout ${this.#calls.length}`, () =>
      variation?.logout ? variation.logout(process, cookies) : logout(process, cookies),
    )
  }

  async #signIn(at: number, twice: boolean): Promise<void> {
    const family = this.#provider.newFamily()
    const key = `sign-in ${family.name}`
    const cookies = new Map(this.#jar)
    const rivals = this.#signIns.filter(({ isOver }) => !isOver).map((other) => other.key)
    for (const id of [sessionIn(cookies)?.id, this.#signedIn]) {
      if (id !== undefined) this.checks.known.get(id)?.excuses.add('superseded')
    }
    const own = { key, family, rivals, isOver: false }
    this.#signIns.push(own)
    for (const process of twice ? this.#processes : [this.#processes[at] as Process]) {
      const start = () =>
        this.#provider.redeem(family, process, () => Math.floor((this.#lab.now + process.skewMs) / 1000))
      await this.#request(process, cookies, `${key} at ${process.name}`, async () => {
        const answer = await signIn(process, key, rivals, cookies, start)
        if (answer.sessionId !== undefined) this.#begun(answer.sessionId, own)
        return answer
      })
    }
  }

  #begun(id: string, own: { key: string; family: Family }): void {
    if (this.checks.known.has(id)) return
    const excuses = this.checks.excusesOf(own.family)
    const known: Known = { id, family: own.family, excuses, endedAt: undefined, isLoggedOut: false }
    this.checks.known.set(id, known)
    own.family.sessionId = id
    if (this.#signIns.some(({ rivals }) => rivals.includes(own.key))) excuses.add('superseded')
  }

  async #request(
    process: Process,
    cookies: RequestCookies,
    label: string,
    act: (self: Call) => Promise<Answer>,
  ): Promise<Call> {
    const self: Call = {
      label,
      process,
      begunAt: this.#lab.now,
      cookies,
      answer: undefined,
      isOver: false,
    }
    this.#calls.push(self)
    this.#lab.log(`${label} to ${process.name} with ${describe(cookies)}`)
    const failuresBefore = this.#store.failures()
    await this.#lab.as(process, () => {
      act(self).then(
        (answer) => this.#onAnswer(self, answer, this.#store.failures() > failuresBefore),
        (error) => this.checks.fail(`${label} ends in ${error instanceof Error ? error.stack : error}`),
      )
    })
    return self
  }

  #onAnswer(self: Call, answer: Answer, hadStoreFailure: boolean): void {
    self.answer = answer
    const changes =
      answer.status === 401 && this.#setup.variation?.clearsOn401
        ? [{ name: sessionCookie, value: undefined, sameSite: 'Strict' as const }]
        : answer.cookies
    this.#lab.log(
      `${self.label} is answered ${answer.status}${answer.sessionId ? ` ${answer.sessionId.slice(0, 4)}` : ''}`,
    )
    this.#judge(self, answer, hadStoreFailure)
    if (self.isOver) return
    const arrives = () => {
      self.isOver = true
      for (const { name, value } of changes) {
        if (value === undefined) this.#jar.delete(name)
        else this.#jar.set(name, value)
      }
      if (answer.status === 303) this.#signedIn = answer.sessionId
      if (self.label.startsWith('logout') && answer.status === 200) this.#signedIn = undefined
      if (changes.length > 0) this.#past.push(new Map(this.#jar))
    }
    const isLost = () => {
      self.isOver = true
    }
    void this.#lab.send(
      outside,
      `answer to ${self.label}`,
      { arrives, 'is slow': arrives, 'is lost': isLost },
      { limitMs: 5000 },
    )
  }

  #judge(self: Call, answer: Answer, hadStoreFailure: boolean): void {
    const presented = sessionIn(self.cookies)
    const own = this.#signIns.find(({ key }) => self.label.startsWith(key))
    if (own) own.isOver = true
    if (self.label.startsWith('logout')) {
      const known = answer.sessionId === undefined ? undefined : this.checks.known.get(answer.sessionId)
      // Of a session that has idled out the ledger has forgotten the newest tokens.
      const isLoggedOut = presented !== undefined && !this.checks.isIdle(this.#seenAt(presented))
      if (known && answer.status === 200) Object.assign(known, { endedAt: this.#lab.now, isLoggedOut })
    } else if (!own && answer.status === 401 && presented) {
      if (!this.checks.mayBeOut(presented.id, this.#seenAt(presented))) {
        this.checks.fail(`${self.label}: session ${presented.id.slice(0, 4)} is lost`)
      }
      if (!this.checks.isIdle(this.#seenAt(presented))) this.#checkOvertaken(self, presented.id, answer)
    } else if (answer.status === 200) {
      const endedAt = this.checks.known.get(answer.sessionId ?? '')?.endedAt
      // With the store out a process goes on with what it holds, until the access token ends (E4).
      if (endedAt !== undefined && self.begunAt > endedAt + endDelayMs && !hadStoreFailure) {
        this.checks.fail(`${self.label} is served with a session that has ended (E1, E4)`)
      }
    }
    if (answer.status === 503 && !this.#hadFault)
      this.checks.fail(`${self.label} is told to come back although all is well`)
  }

  /** Where the idle clock stands that counts for this cookie. */
  #seenAt({ id, seenAt }: { id: string; seenAt: number }): number {
    return this.#setup.cookie === 'ticket' ? (this.#store.peek(id)?.seenAt ?? seenAt) : seenAt
  }

  /** A late answer put the cookie of an ended session over that of a sign-in: a silent sign-in has to heal it. */
  #checkOvertaken(self: Call, presentedId: string, answer: Answer): void {
    const known = this.#signedIn === undefined ? undefined : this.checks.known.get(this.#signedIn)
    const isOvertaken = known !== undefined && known.id !== presentedId && known.excuses.size === 0
    const isNewestJar = [...self.cookies].every(([name, value]) => this.#jar.get(name) === value)
    if (isOvertaken && isNewestJar && !answer.isSilent)
      this.checks.fail(`${self.label}: the sign-in was overtaken for good`)
  }

  #crash(at: number): void {
    const process = this.#processes[at] as Process
    this.#hadFault = true
    this.#lab.log(`${process.name} crashes`)
    process.isGone = true
    this.#store.died(process)
    this.#lab.forget(process)
    for (const pending of this.#calls) {
      if (pending.process !== process || pending.answer) continue
      pending.isOver = true
      // Between the tombstone and the revocation: who signs out once more need not know tokens as new (E1).
      if (pending.label.startsWith('logout')) this.#loseRevocation(pending.cookies)
    }
    this.#start(at)
  }

  #loseRevocation(cookies: RequestCookies): void {
    const known = this.checks.known.get(sessionIn(cookies)?.id ?? '')
    if (known) known.family.isRevocationLost = true
  }

  #stop(at: number): void {
    const process = this.#processes[at] as Process
    if (process.isStopped) return
    this.#hadFault = true
    this.#lab.log(`${process.name} is stopped`)
    process.isStopped = true
  }

  #resume(at: number): void {
    const process = this.#processes[at] as Process
    if (!process.isStopped) return
    this.#lab.log(`${process.name} goes on`)
    process.isStopped = false
    this.#stoppedAt.set(process.name, this.#lab.now)
  }

  #abort(how: number): void {
    const pending = this.#calls.filter(({ isOver, answer }) => !isOver && !answer)
    const one = pending[how % Math.max(1, pending.length)]
    if (!one?.label.startsWith('call')) return
    this.#lab.log(`the browser gives up ${one.label}`)
    one.isOver = true
    this.#setup.variation?.onAbort?.()
  }

  async #endByProvider(at: number, byToken: boolean): Promise<void> {
    const known = this.#signedIn === undefined ? undefined : this.checks.known.get(this.#signedIn)
    if (!known) return
    this.#provider.endGrant()
    for (const family of this.#provider.sharing(known.family)) this.checks.excuse(family, 'ended by the provider')
    if (!byToken) {
      this.#lab.log(`the provider revokes ${known.family.name}`)
      this.#provider.revokeItself(known.family)
      return
    }
    const process = this.#processes[at] as Process
    const issuedAt = Math.floor(this.#lab.now / 1000)
    const ended = { issuer: 'https://provider.example', sid: `sid-${known.family.name}`, sub: 'ada', issuedAt }
    await this.#lab.as(process, () => {
      process.marks.add({ ...ended, jti: String(this.#lab.trace.length), expiresAt: issuedAt + 120 }).then(
        () => {
          known.endedAt ??= this.#lab.now
        },
        () => undefined,
      )
    })
  }

  /** In two phases: first all can open what the new secret seals, then it seals. */
  #rotateSecrets(at: number): void {
    const next = (this.#phases[at] ?? 0) + 1
    const { name, isStopped } = this.#processes[at] as Process
    if (isStopped || next >= secretPhases.length || this.#phases.some((phase) => phase < next - 1)) return
    // A deploy is over when the processes before it have answered what they had: only then comes the next.
    const isBefore = ({ isOver, process }: Call) =>
      !isOver && !process.isGone && (this.#phaseOf.get(process) ?? 0) < next - 1
    if (this.#calls.some(isBefore)) return
    this.#phases[at] = next
    this.#lab.log(`${name} is followed by one with other secrets`)
    this.#start(at)
  }
}

function describe(cookies: RequestCookies): string {
  const presented = sessionIn(cookies)
  return presented ? `${presented.id.slice(0, 4)} version ${presented.version}` : 'no session'
}
