/**
 * The whole of it: a browser with tabs, processes, a store and a provider, driven by a list of choices. Each choice takes
 * one step of what is under way, with the fate that it says, or begins something new.
 */
import type { RequestCookies } from '../../../src/session/cookie-names.ts'
import { Acts } from './acts.ts'
import { Browser, type Pending } from './browser.ts'
import { Checks } from './checks.ts'
import { sharedStore } from './coordinator.ts'
import { Lab, type Owner, type Step } from './lab.ts'
import { type Process, sessionIn, startProcess } from './process.ts'
import { Provider } from './provider.ts'
import { Requests } from './requests.ts'
import type { Scene, Setup } from './scene.ts'

/** What, and how. (0, 0) takes the step that has waited longest, and lets it turn out well. */
export type Choice = readonly [what: number, how: number]

export interface Outcome {
  readonly violation: string | undefined
  readonly trace: readonly string[]
}

export const highestWhat = 114
export const highestHow = 13
/** Choices below take a step. */
const firstCommand = 60
const secretPhases = [['one'], ['one', 'two'], ['two', 'one']] as const

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
  readonly #scene: Scene
  readonly #requests: Requests
  readonly #acts: Acts
  readonly #browser: Browser
  readonly #other: Browser | undefined
  readonly #processes: Process[] = []
  readonly #phases: number[] = []
  readonly #phaseOf = new WeakMap<Process, number>()
  /** When each was last stopped, by name: an answer that comes to it then is late. */
  readonly #stoppedAt = new Map<string, number>()
  /** Refresh tokens that the provider has refused, whom it told, and how often the store had failed before. */
  readonly #refused = new Map<string, { owner: Owner; failures: number }>()
  #started = 0

  constructor(lab: Lab, setup: Setup) {
    this.#lab = lab
    this.checks = new Checks(lab, setup.graceMs, setup.variation !== undefined)
    const store = sharedStore(
      lab,
      setup.skewsMs.some((skewMs) => skewMs !== 0),
    )
    const provider = this.#startProvider(setup.graceMs)
    const { checks } = this
    this.#scene = { lab, setup, checks, store, provider, processes: this.#processes, hadFault: false }
    this.#requests = new Requests(this.#scene)
    this.#acts = new Acts(this.#scene, this.#requests)
    this.#browser = new Browser(provider.begin())
    const { other } = setup
    const atProvider = other === 'same grant' ? this.#browser.atProvider : provider.begin()
    this.#other = other && new Browser(atProvider, ' in the other browser')
    for (const index of setup.skewsMs.keys()) {
      this.#phases.push(0)
      this.#start(index)
    }
  }

  #startProvider(graceMs: number): Provider {
    return new Provider(this.#lab, graceMs, {
      onSend: (family, token, owner) => {
        const { store } = this.#scene
        const stored = family.sessionId === undefined ? undefined : store.peek(family.sessionId)
        const isBeside = [...family.requests].some(
          ([other, sentAt]) => !other.isGone && !this.#wasStopped(other, sentAt),
        )
        // Stopped for longer than its lease: what it writes when it goes on may come between an attempt and its request.
        const before = family.rotations.get(token)
        const isLate = before !== undefined && this.#wasStopped(before.holder, before.at)
        this.checks.onWait(family, owner)
        const refused = this.#refused.get(token)
        const isHeard = refused && ![refused.owner, owner].some((one) => one.isGone || this.#wasStopped(one, 0))
        // With the store out its end may not be on record.
        if (isHeard && refused.failures === store.failures())
          this.checks.fail(`${token} is sent again, which the provider has refused (R7)`)
        this.checks.onSend(family, token, isBeside && !this.#wasStopped(owner, 0), isLate ? undefined : stored)
      },
      onRefuse: (family, token, owner) => {
        this.#refused.set(token, { owner, failures: this.#scene.store.failures() })
        this.checks.excuse(family, 'the provider wants the person')
      },
      onReuse: (family, rotation, sharing) => {
        const { store } = this.#scene
        const version = family.versions.get(rotation.token) ?? 0
        const wasTried = store.triedBeforeAttempt.has(`${family.sessionId} ${version}`)
        const wasStopped = this.#wasStopped(rotation.holder, rotation.at)
        const isUnclear = store.unclear.has(family.sessionId ?? '')
        this.checks.onReuse(family, rotation, sharing, { wasTried, wasStopped, isUnclear })
      },
    })
  }

  #wasStopped(owner: Owner, since: number): boolean {
    return owner.isStopped || (this.#stoppedAt.get(owner.name) ?? -1) >= since
  }

  async begin(): Promise<void> {
    for (const browser of this.#browsers()) {
      await this.#acts.signIn(browser, [this.#processes[0] as Process])
      await this.#settle()
    }
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
    if (place > 0 && fates.length > place) this.#scene.hadFault = true
    await this.#lab.take(step, fates[place] ?? (fates[0] as string))
  }

  async #command(what: number, how: number): Promise<void> {
    const at = how % this.#processes.length
    const process = this.#processes[at] as Process
    const browser = this.#browser
    if (what < 14) await this.#acts.call(browser, process, browser.jar)
    else if (what < 17) await this.#acts.call(browser, process, this.#formerJar(browser, how))
    else if (what < 26)
      await this.#advance([1000, 1000, 3000, 5000, 16_000, 30_000, 40_000, 50_000, 61_000, 61_000][how % 10] ?? 0)
    else if (what < 28) this.#crash(at)
    else if (what < 30) this.#stop(process)
    else if (what < 32) this.#resume(process)
    else if (what < 34) this.#requests.abort(how)
    else if (what < 36) await this.#acts.signIn(browser, how > 4 ? this.#processes : [process])
    else if (what < 37) await this.#acts.logout(browser, process)
    else if (what < 38) await this.#acts.endByProvider(browser, process, how > 4)
    else if (what < 39) await this.#advance(how > 7 ? 31 * 60_000 : 61_000)
    else if (what < 40) this.#rotateSecrets(at)
    else await this.#withOther(what - 40, how)
  }

  /** What takes two browsers; with one it is a call. */
  async #withOther(what: number, how: number): Promise<void> {
    const process = this.#processes[how % this.#processes.length] as Process
    const browser = this.#other ?? this.#browser
    const either = how > 4 ? this.#browser : browser
    if (what > 11) await this.#acts.callOther(either, process)
    else if (what < 3 || !this.#other) await this.#acts.call(browser, process, browser.jar)
    else if (what < 4) await this.#acts.signIn(browser, how > 4 ? this.#processes : [process])
    else if (what < 5) await this.#acts.logout(browser, process)
    else if (what < 6) await this.#acts.endByProvider(browser, process, how > 4)
    else if (this.#scene.setup.cookie !== 'ticket') await this.#acts.call(either, process, either.jar)
    else await this.#acts.endFromList(either, process, what < 10 ? 'one' : 'others')
  }

  #browsers(): Browser[] {
    return this.#other ? [this.#browser, this.#other] : [this.#browser]
  }

  #formerJar({ past, jar }: Browser, how: number): RequestCookies {
    return past[Math.floor(how / 2) % past.length] ?? jar
  }

  /** What is under way meanwhile is slow. */
  async #advance(ms: number): Promise<void> {
    if (this.#lab.steps.length > 0) this.#scene.hadFault = true
    await this.#lab.advance(ms)
  }

  /** Everything turns out well from now on; then the browser has to be signed in, or to know why it is not. */
  async finish(): Promise<void> {
    this.#lab.log('from here on all goes well')
    for (const process of this.#processes) this.#resume(process)
    await this.#settle()
    for (const pending of this.#requests.all) {
      if (!pending.isOver && !pending.process.isGone) this.checks.fail(`${pending.label} gets no answer`)
    }
    for (const browser of this.#browsers()) {
      for (const process of this.#processes) await this.#mustServe(browser, process)
    }
    for (const known of this.checks.known.values()) this.checks.afterLogout(known)
  }

  async #mustServe(browser: Browser, process: Process): Promise<void> {
    await this.#lab.advance(61_000)
    for (let count = 0; count < 8; count++) {
      const asked = await this.#acts.call(browser, process, browser.jar)
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
      else if (this.#requests.all.some(({ isOver }) => !isOver) && count < 900) await this.#lab.advance(500)
      else return
    }
  }

  #start(index: number): void {
    const { lab, setup, store, provider } = this.#scene
    this.#started += 1
    const owner: Owner = { name: `p${this.#started}`, isGone: false, isStopped: false }
    const skewMs = setup.skewsMs[index] ?? 0
    const now = () => lab.now + skewMs
    const phase = this.#phases[index] ?? 0
    const process = startProcess(owner, {
      lab,
      coordinator: store.of(owner, now),
      grant: provider.grant(owner, () => Math.floor(now() / 1000)),
      skewMs,
      secrets: secretPhases[phase] ?? [],
      variation: setup.variation ?? {},
      cookie: setup.cookie ?? 'session',
    })
    this.#processes[index] = process
    this.#phaseOf.set(process, phase)
  }

  #crash(at: number): void {
    const process = this.#processes[at] as Process
    this.#scene.hadFault = true
    this.#lab.log(`${process.name} crashes`)
    process.isGone = true
    this.#scene.store.died(process)
    this.#lab.forget(process)
    for (const { what, cookies } of this.#requests.lose(process)) {
      // Between the tombstone and the revocation: who signs out once more need not know tokens as new (E1).
      if (what.kind === 'logout') this.#loseRevocation(sessionIn(cookies)?.id, what.last?.id)
      if (what.kind === 'ending') this.#loseRevocation(...[...what.targets].map(({ id }) => id))
    }
    this.#start(at)
  }

  #loseRevocation(...ids: readonly (string | undefined)[]): void {
    for (const id of ids) {
      const known = this.checks.known.get(id ?? '')
      if (known) known.family.isRevocationLost = true
    }
  }

  #stop(process: Process): void {
    if (process.isStopped) return
    this.#scene.hadFault = true
    this.#lab.log(`${process.name} is stopped`)
    process.isStopped = true
  }

  #resume(process: Process): void {
    if (!process.isStopped) return
    this.#lab.log(`${process.name} goes on`)
    process.isStopped = false
    this.#stoppedAt.set(process.name, this.#lab.now)
  }

  /** In two phases: first all can open what the new secret seals, then it seals. */
  #rotateSecrets(at: number): void {
    const next = (this.#phases[at] ?? 0) + 1
    const { name, isStopped } = this.#processes[at] as Process
    if (isStopped || next >= secretPhases.length || this.#phases.some((phase) => phase < next - 1)) return
    // A deploy is over when the processes before it have answered what they had: only then comes the next.
    const isBefore = ({ isOver, process }: Pending) =>
      !isOver && !process.isGone && (this.#phaseOf.get(process) ?? 0) < next - 1
    if (this.#requests.all.some(isBefore)) return
    this.#phases[at] = next
    this.#lab.log(`${name} is followed by one with other secrets`)
    this.#start(at)
  }
}
