/** What browsers and the provider begin. */
import type { RequestCookies } from '../../../src/session/cookie-names.ts'
import type { Browser, Pending, SignIn } from './browser.ts'
import { checkCookie, type Known } from './checks.ts'
import { inspect } from './fake-seal.ts'
import { call, logout, markedIn, type Process, sessionIn, signIn } from './process.ts'
import type { Requests } from './requests.ts'
import { type Scene, sessionCookie } from './scene.ts'

export class Acts {
  readonly #scene: Scene
  readonly #requests: Requests

  constructor(scene: Scene, requests: Requests) {
    this.#scene = scene
    this.#requests = requests
  }

  async call(browser: Browser, process: Process, jar: RequestCookies): Promise<Pending | undefined> {
    const { lab, checks, store } = this.#scene
    const cookies = new Map(jar)
    const presented = sessionIn(cookies)
    if (!presented) return this.#checkEmptyJar(browser, jar)
    return this.#requests.send({ browser, process, cookies }, this.#named('call', { kind: 'call' }), (self) =>
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

  #named<What>(word: string, what: What): [string, What] {
    return [`${word} ${this.#requests.all.length}`, what]
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
    provider.endGrant()
    const last = leaving.find(({ id }) => id !== presented)
    const spared = new Set(last && !store.hasTokens(last.id) ? last.family.live : [])
    const what = { kind: 'logout', last, spared } as const
    const { variation } = setup
    await this.#requests.send({ browser, process, cookies }, this.#named('logout', what), () =>
      variation?.logout ? variation.logout(process, cookies) : logout(process, cookies),
    )
  }

  /** @param processes the callback comes to each of them */
  async signIn(browser: Browser, processes: readonly Process[]): Promise<void> {
    const { lab, checks, provider } = this.#scene
    const family = provider.newFamily()
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
    if (browser.signIns.some(({ rivals }) => rivals.includes(own.key))) excuses.add('superseded')
  }

  async endByProvider(browser: Browser, process: Process, byToken: boolean): Promise<void> {
    const { lab, checks, provider } = this.#scene
    const known = this.#knownOf(browser)
    if (!known) return
    provider.endGrant()
    for (const family of provider.sharing(known.family)) checks.excuse(family, 'ended by the provider')
    if (!byToken) {
      lab.log(`the provider revokes ${known.family.name}`)
      provider.revokeItself(known.family)
      return
    }
    const issuedAt = Math.floor(lab.now / 1000)
    const ended = { issuer: 'https://provider.example', sid: `sid-${known.family.name}`, sub: 'ada', issuedAt }
    await lab.as(process, () => {
      process.marks.add({ ...ended, jti: String(lab.trace.length), expiresAt: issuedAt + 120 }).then(
        () => {
          known.endedAt ??= lab.now
        },
        () => undefined,
      )
    })
  }
}
