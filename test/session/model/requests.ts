/** Requests on their way to a process and back. */
import type { RequestCookies } from '../../../src/session/cookie-names.ts'
import type { Browser, Pending, What } from './browser.ts'
import { judge } from './judge.ts'
import { outside } from './lab.ts'
import { type Answer, type Process, sessionIn } from './process.ts'
import { type Scene, sessionCookie } from './scene.ts'

export class Requests {
  readonly all: Pending[] = []
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async send(
    { browser, process, cookies }: { browser: Browser; process: Process; cookies: RequestCookies },
    [label, what]: [label: string, what: What],
    act: (self: Pending) => Promise<Answer>,
  ): Promise<Pending> {
    const { lab, store, checks } = this.#scene
    const begunAt = lab.now
    const self: Pending = { what, label, browser, process, begunAt, cookies, answer: undefined, isOver: false }
    this.all.push(self)
    lab.log(`${label} to ${process.name} with ${describe(cookies)}`)
    const failuresBefore = store.failures()
    await lab.as(process, () => {
      act(self).then(
        (answer) => this.#onAnswer(self, answer, store.failures() > failuresBefore),
        (error) => checks.fail(`${label} ends in ${error instanceof Error ? error.stack : error}`),
      )
    })
    return self
  }

  /** The browser does not wait for one of its calls any more. */
  abort(how: number): void {
    const pending = this.all.filter(({ isOver, answer }) => !isOver && !answer)
    const one = pending[how % Math.max(1, pending.length)]
    if (one?.what.kind !== 'call') return
    this.#scene.lab.log(`the browser gives up ${one.label}`)
    one.isOver = true
    this.#scene.setup.variation?.onAbort?.()
  }

  /** Those that die with their process. */
  lose(process: Process): Pending[] {
    const lost = this.all.filter((pending) => pending.process === process && !pending.answer)
    for (const pending of lost) pending.isOver = true
    return lost
  }

  #onAnswer(self: Pending, answer: Answer, hadStoreFailure: boolean): void {
    const { lab, setup } = this.#scene
    self.answer = answer
    const changes =
      answer.status === 401 && setup.variation?.clearsOn401
        ? [{ name: sessionCookie, value: undefined, sameSite: 'Strict' as const }]
        : answer.cookies
    lab.log(`${self.label} is answered ${answer.status}${answer.sessionId ? ` ${answer.sessionId.slice(0, 4)}` : ''}`)
    judge(this.#scene, self, answer, hadStoreFailure)
    if (self.isOver) return
    const { browser, what } = self
    const arrives = () => {
      self.isOver = true
      for (const { name, value } of changes) {
        if (value === undefined) browser.jar.delete(name)
        else browser.jar.set(name, value)
      }
      if (what.kind === 'sign-in' && answer.status === 303) browser.signedIn = answer.sessionId
      if (what.kind === 'logout' && answer.status === 200) browser.signedIn = undefined
      if (changes.length > 0) browser.past.push(new Map(browser.jar))
    }
    const isLost = () => {
      self.isOver = true
    }
    const fates = { arrives, 'is slow': arrives, 'is lost': isLost }
    void lab.send(outside, `answer to ${self.label}`, fates, { limitMs: 5000 })
  }
}

function describe(cookies: RequestCookies): string {
  const presented = sessionIn(cookies)
  return presented ? `${presented.id.slice(0, 4)} version ${presented.version}` : 'no session'
}
