/** One process of the model: the real sessions, with caches of their own, over the shared store and the provider. */
import type { Coordinator } from '../../../src/coordinator.ts'
import { CoatcheckError } from '../../../src/errors.ts'
import type { CookieChange, RequestCookies } from '../../../src/session/cookie-names.ts'
import { keyedHash } from '../../../src/session/keyed-hash.ts'
import { type EndedByServer, logoutMarks } from '../../../src/session/logout-marks.ts'
import type { Grant } from '../../../src/session/refresh-run.ts'
import type { SessionStart } from '../../../src/session/session.ts'
import { type OpenSession, type Sessions, sessions } from '../../../src/session/sessions.ts'
import { inspect, inspectListed, inspectMarker } from './fake-seal.ts'
import type { Lab, Owner } from './lab.ts'

export const idleSeconds = 1800
export const absoluteSeconds = 12 * 3600
export const callerLimitMs = 10_000

/** As on Node, where work goes on after an answer without being asked to. */
const keepAlive = () => undefined

export interface Answer {
  readonly status: number
  readonly cookies: readonly CookieChange[]
  /** The session that it was served with, or that began. */
  readonly sessionId?: string
  /** `Retry-After` of a 503, in seconds. */
  readonly retryAfterSeconds?: number
  /** A silent sign-in would bring the session back. */
  readonly isSilent?: boolean
}

export interface Process extends Owner {
  readonly sessions: Sessions
  readonly marks: ReturnType<typeof logoutMarks>
  readonly skewMs: number
  readonly grant: Grant
  readonly coordinator: Coordinator
}

/** A wrong turn that the model has to notice (`naive.ts`). */
export interface Variation {
  readonly coordinator?: (coordinator: Coordinator) => Coordinator
  readonly grant?: (grant: Grant, lab: Lab) => Grant
  /** A 401 clears the session's cookies. */
  readonly clearsOn401?: boolean
  /** The browser gave up a call. */
  readonly onAbort?: () => void
  readonly logout?: (process: Process, cookies: RequestCookies) => Promise<Answer>
}

export interface ProcessParts {
  readonly lab: Lab
  readonly coordinator: Coordinator
  readonly grant: Grant
  readonly skewMs: number
  readonly secrets: readonly string[]
  readonly variation: Variation
  readonly cookie: 'session' | 'ticket'
}

export function startProcess(owner: Owner, parts: ProcessParts): Process {
  const { lab, skewMs, variation } = parts
  const clock = { now: () => lab.now + skewMs }
  const coordinator = variation.coordinator?.(parts.coordinator) ?? parts.coordinator
  const grant = variation.grant?.(parts.grant, lab) ?? parts.grant
  const context = { origin: 'https://app.example', issuer: 'https://provider.example', clientId: 'app' }
  const names = keyedHash(parts.secrets, 'logout-mark', context)
  const marks = logoutMarks(coordinator, clock, absoluteSeconds, names)
  return Object.assign(owner, {
    marks,
    skewMs,
    grant,
    coordinator,
    sessions: sessions({
      secrets: parts.secrets,
      context,
      coordinator,
      logoutMarks: marks,
      clock,
      report: (event) => lab.log(`${owner.name} reports ${event.event}`),
      grant,
      idleSeconds,
      absoluteSeconds,
      callerLimitMs,
      cookie: parts.cookie,
      onEnd: () => undefined,
    }),
  })
}

/**
 * A proxied call. `upstream` is where it waits for the API, with these tokens; `observe` is asked before and after its
 * cookies are decided.
 */
export async function call(
  process: Process,
  cookies: RequestCookies,
  upstream: (open: OpenSession, isReplay: boolean) => Promise<'served' | 'refused'>,
  observe: () => (changes: readonly CookieChange[]) => void,
): Promise<Answer> {
  const { sessions } = process
  return withFreshSession(process, cookies, async (open) => {
    const sent = open.session
    if ((await upstream(open, false)) === 'refused') {
      if (await sessions.refreshAfterRejection(open, sent, 'https://api.example', keepAlive)) await upstream(open, true)
    }
    const decided = observe()
    const changes = await sessions.cookies(open, cookies, true)
    decided(changes)
    return { status: 200, cookies: changes, sessionId: open.session.id }
  })
}

export const otherApi = 'https://other.example'

/** A call to an API that has tokens of its own, by refresh (R1). `upstream` is where it waits for that. */
export async function callOther(
  process: Process,
  cookies: RequestCookies,
  upstream: (open: OpenSession, token: string) => Promise<unknown>,
): Promise<Answer> {
  const { sessions } = process
  return withFreshSession(process, cookies, async (open) => {
    await upstream(open, await sessions.tokenFor(open, { resource: otherApi, scopes: [] }, keepAlive))
    return { status: 200, cookies: await sessions.cookies(open, cookies, true), sessionId: open.session.id }
  })
}

/** How a call of either kind begins: its session is opened, and refreshed if that is due. */
function withFreshSession(
  process: Process,
  cookies: RequestCookies,
  serve: (open: OpenSession) => Promise<Answer>,
): Promise<Answer> {
  const { sessions } = process
  return answerErrors(async () => {
    const open = await sessions.open(cookies)
    if (!open) return { status: 401, cookies: [] }
    await sessions.refresh(open, keepAlive)
    return serve(open)
  })
}

/** As `endpoints/logout.ts` does it. */
export async function logout(process: Process, cookies: RequestCookies): Promise<Answer> {
  const { sessions } = process
  return answerErrors(async () => {
    const open = await sessions.open(cookies, true)
    const changes = sessions.clearedCookies(cookies)
    if (open) await sessions.end(open)
    await sessions.endLast(cookies, open?.session.id)
    return { status: 200, cookies: changes, ...(open && { sessionId: open.session.id }) }
  })
}

/**
 * As `endpoints/sessions.ts` does it. `choose` is told which session of the list it is to be; without it, all others.
 */
export async function endFromList(
  process: Process,
  cookies: RequestCookies,
  choose?: (id: string) => void,
): Promise<Answer> {
  const { sessions } = process
  const { own } = sessions
  return answerErrors(async () => {
    const open = await sessions.open(cookies)
    if (!open || !own || !sessions.isUsable(open)) return { status: 401, cookies: [] }
    if (!choose) {
      await own.endOthers(open.session)
      return { status: 200, cookies: [], sessionId: open.session.id }
    }
    const { sessions: listed } = await own.list(open.session)
    const wanted = listed.find(({ isCurrent }) => !isCurrent)
    if (!wanted) return { status: 404, cookies: [] }
    choose(inspectListed(wanted.id))
    const result = await own.end(open.session, wanted.id)
    return { status: result === 'ended' ? 200 : 404, cookies: [], sessionId: open.session.id }
  })
}

/** As `endpoints/backchannel-logout.ts` does it. @param onEnded it is durable */
export function endByToken(process: Process, ended: EndedByServer, onEnded: () => void): void {
  const { marks, sessions } = process
  void marks.add(ended).then(
    () => {
      onEnded()
      return sessions.own?.endByServer(ended).catch(() => undefined)
    },
    () => undefined,
  )
}

export async function signIn(
  process: Process,
  key: string,
  rivals: readonly string[],
  cookies: RequestCookies,
  start: () => Promise<SessionStart>,
): Promise<Answer> {
  return answerErrors(async () => {
    const session = await process.sessions.begin({ key, secret: key, rivals, device: '' }, cookies, start)
    return { status: 303, cookies: await process.sessions.firstCookies(session), sessionId: session.id }
  })
}

export async function answerErrors(act: () => Promise<Answer>): Promise<Answer> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof CoatcheckError)) throw error
    const retryAfterSeconds = Number(error.headers['Retry-After'] ?? 0)
    return { status: error.status, cookies: [], isSilent: error.members.silent === true, retryAfterSeconds }
  }
}

export const sessionIn = (cookies: RequestCookies) => inspect(cookies.get('__Host-Http-coatcheck'))

/** The session that the browser signed in to last. */
export const markedIn = (cookies: RequestCookies) => inspectMarker(cookies.get('__Host-Http-coatcheck-id'))
