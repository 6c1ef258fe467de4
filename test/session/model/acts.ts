/** What browsers and the provider begin. */
import type { RequestCookies } from '../../../src/session/cookie-names.ts'
import type { OpenSession } from '../../../src/session/sessions.ts'
import type { Browser, Ending, Pending, SignIn } from './browser.ts'
import { checkCookie, type Known } from './checks.ts'
import { inspect } from './fake-seal.ts'
import {
  call,
  callOther,
  endByToken,
  endFromList,
  logout,
  markedIn,
  otherApi,
  type Process,
  sessionIn,
  signIn,
} from './process.ts'
import { type Family, sidOf } from './provider.ts'
import type { Requests } from './requests.ts'
import { type Scene, sessionCookie } from './scene.ts'

export class Acts {
  readonly #scene: Scene
  readonly #requests: Requests
  /** Sessions that a person has chosen from the list, also where their sign-in has not come back yet. */
  readonly #chosen = new Set<string>()

  constructor(scene: Scene, requests: Requests) {
    this.#scene = scene
    this.#requests = requests
  }

  async call(browser: Browser, process: Process, jar: RequestCookies): Promise<Pending | undefined> {
    const { lab, checks, store } = this.#scene
    const cookies = new Map(jar)
    const presented = sessionIn(cookies)
    if (!presented) return this.#checkEmptyJar(browser, jar)
    return this.#requests.send({ browser, process, cookies }, this.#named('call', { kind: 'call' }, browser), (self) =>
      call(
        process,
        cookies,
        (open, isReplay) => {
          // One that was stopped between the API's 401 and the replay has looked at the time before.
          if (!isReplay) checks.onUse(self.label, open)
          return lab.send(
            process,
            `waits for the API in ${self.label}`,
            { done: () => 'served', 'done, slowly': () => 'served', 'token refused': () => 'refused' },
            { limitMs: 5000 },
          )
        },
        () => {
          const stored = store.peek(presented.id)
          const failures = store.failures()
          return (changes) => {
            const sent = inspect(changes.find(({ name }) => name === sessionCookie)?.value)
            // With the store out, what this process alone has goes out (R5).
            const isAsked = failures === store.failures()
            checkCookie(checks, process, presented, sent, isAsked ? stored : undefined)
          }
        },
      ),
    )
  }

  async callOther(browser: Browser, process: Process): Promise<void> {
    const { lab, checks } = this.#scene
    const cookies = new Map(browser.jar)
    if (!sessionIn(cookies)) return
    const upstream = (self: Pending) => (open: OpenSession, token: string) => {
      checks.onUse(self.label, { ...open, isConfirmed: false })
      if (!token.endsWith(` for ${otherApi}`)) checks.fail(`${self.label} has no token for its API (R1)`)
      return lab.send(process, `waits for the other API in ${self.label}`, { done: () => 'served' }, { limitMs: 5000 })
    }
    await this.#requests.send({ browser, process, cookies }, this.#named('call', { kind: 'call' }, browser), (self) =>
      callOther(process, cookies, upstream(self)),
    )
  }

  /** A browser without a session has had none, or has lost it by its own sign-out. */
  #checkEmptyJar(browser: Browser, jar: RequestCookies): undefined {
    const { checks } = this.#scene
    const known = jar === browser.jar ? this.#knownOf(browser) : undefined
    if (known && known.excuses.size === 0) checks.fail('the cookie of a living session is gone (C1)')
    return undefined
  }

  #knownOf({ signedIn }: Browser): Known | undefined {
    return signedIn === undefined ? undefined : this.#scene.checks.known.get(signedIn)
  }

  #named<What>(word: string, what: What, { suffix }: Browser): [string, What] {
    return [`${word} ${this.#requests.all.length}${suffix}`, what]
  }

  async logout(browser: Browser, process: Process): Promise<void> {
    const { checks, provider, setup, store } = this.#scene
    const cookies = new Map(browser.jar)
    const presented = sessionIn(cookies)?.id
    const marked = markedIn(cookies)
    const leaving = [presented, marked].flatMap((id) => checks.known.get(id ?? '') ?? [])
    if (leaving.length === 0) return
    for (const { family } of leaving) {
      for (const one of provider.sharing(family)) checks.excuse(one, 'logout')
    }
    provider.end(browser.atProvider)
    const last = leaving.find(({ id }) => id !== presented)
    const spared = new Set(last && !store.hasTokens(last.id) ? last.family.live : [])
    const what = { kind: 'logout', last, spared } as const
    const { variation } = setup
    await this.#requests.send({ browser, process, cookies }, this.#named('logout', what, browser), () =>
      variation?.logout ? variation.logout(process, cookies) : logout(process, cookies),
    )
  }

  /** The person ends the session that the other browser has, or all but this one. */
  async endFromList(browser: Browser, process: Process, ended: Ending['ended']): Promise<void> {
    const { checks, provider, store } = this.#scene
    const cookies = new Map(browser.jar)
    const from = sessionIn(cookies)?.id
    if (from === undefined) return
    const what: Ending = { kind: 'ending', from, ended, targets: new Set(), hasUnknown: false }
    if (ended === 'others') {
      const own = checks.known.get(from)
      for (const known of checks.known.values()) {
        const seenAt = store.peek(known.id)?.seenAt ?? 0
        if (known !== own && known.endedAt === undefined && !checks.isIdle(seenAt)) what.targets.add(known)
      }
      for (const family of provider.families) if (family !== own?.family) checks.excuse(family, 'ended elsewhere')
    }
    const choose = (id: string) => {
      this.#chosen.add(id)
      const target = checks.known.get(id)
      if (target) what.targets.add(target)
      else what.hasUnknown = true
      target?.excuses.add('ended elsewhere')
      for (const family of this.#beginning()) {
        if (!target || family.grant === target.family.grant) checks.excuse(family, 'ended elsewhere while it began')
      }
    }
    await this.#requests.send({ browser, process, cookies }, this.#named(`ending ${ended}`, what, browser), () =>
      endFromList(process, cookies, ended === 'one' ? choose : undefined),
    )
  }

  #beginning(): Family[] {
    return this.#requests.all.flatMap(({ what, answer, isOver }) =>
      what.kind === 'sign-in' && !answer && !isOver ? what.signIn.family : [],
    )
  }

  /** A sign-in that begins while a person ends sessions may be there already, and share a grant with one that ends. */
  #excuseEnding(family: Family): void {
    for (const { what, answer, isOver } of this.#requests.all) {
      if (what.kind !== 'ending' || answer || isOver) continue
      const isShared = [...what.targets].some((target) => target.family.grant === family.grant)
      if (what.ended === 'others' || what.hasUnknown || isShared)
        this.#scene.checks.excuse(family, 'ended elsewhere while it began')
    }
  }

  /** @param processes the callback comes to each of them */
  async signIn(browser: Browser, processes: readonly Process[]): Promise<void> {
    const { lab, checks, provider } = this.#scene
    const family = provider.newFamily(browser.atProvider)
    this.#excuseEnding(family)
    const key = `sign-in ${family.name}`
    const cookies = new Map(browser.jar)
    const rivals = browser.signIns.filter(({ isOver }) => !isOver).map((other) => other.key)
    for (const id of [sessionIn(cookies)?.id, browser.signedIn]) {
      if (id !== undefined) checks.known.get(id)?.excuses.add('superseded')
    }
    const own: SignIn = { key, family, rivals, isOver: false }
    browser.signIns.push(own)
    for (const process of [...processes]) {
      const start = () => provider.redeem(family, process, () => Math.floor((lab.now + process.skewMs) / 1000))
      const label = `${key} at ${process.name}`
      await this.#requests.send({ browser, process, cookies }, [label, { kind: 'sign-in', signIn: own }], async () => {
        const answer = await signIn(process, key, rivals, cookies, start)
        if (answer.sessionId !== undefined) this.#begun(answer.sessionId, browser, own)
        return answer
      })
    }
  }

  #begun(id: string, browser: Browser, own: SignIn): void {
    const { checks } = this.#scene
    if (checks.known.has(id)) return
    const excuses = checks.excusesOf(own.family)
    checks.known.set(id, { id, family: own.family, excuses, endedAt: undefined, isLoggedOut: false, spared: new Set() })
    own.family.sessionId = id
    if (this.#chosen.has(id)) excuses.add('ended elsewhere')
    if (browser.signIns.some(({ rivals }) => rivals.includes(own.key))) excuses.add('superseded')
  }

  async endByProvider(browser: Browser, process: Process, byToken: boolean): Promise<void> {
    const { lab, checks, provider } = this.#scene
    const known = this.#knownOf(browser)
    if (!known) return
    provider.end(browser.atProvider)
    for (const family of provider.sharing(known.family)) checks.excuse(family, 'ended by the provider')
    if (!byToken) {
      lab.log(`the provider revokes ${known.family.name}`)
      provider.revokeItself(known.family)
      return
    }
    const issuedAt = Math.floor(lab.now / 1000)
    const jti = String(lab.trace.length)
    const named = { issuer: 'https://provider.example', sid: sidOf(known.family), sub: 'ada', issuedAt }
    const ended = [...checks.known.values()].filter(({ family }) => family.grant === known.family.grant)
    await lab.as(process, () => {
      endByToken(process, { ...named, jti, expiresAt: issuedAt + 120 }, () => {
        for (const one of ended) one.endedAt ??= lab.now
      })
    })
  }
}
