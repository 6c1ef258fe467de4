/** Turns what a look at the session found into the page's state, the events of it, and word to other tabs. */
import type { ClientEvents, Emitter, SignedOutReason } from './emitter.ts'
import type { Session } from './session.ts'
import type { SessionState, State } from './state.ts'
import type { TabMessage } from './tabs.ts'

export interface SessionTracker<Claims> {
  /** Taken before a look is sent, and given with what it found. */
  moment(): number
  found(session: Session<Claims> | undefined, look: FoundBy): void
  notFound(): void
  ended(reason: SignedOutReason): void
  /** What another tab says to have done. It only names the reason: whether it is so, the next look finds out. */
  told(message: TabMessage): void
  dismissLoginError(): void
}

export interface FoundBy {
  /** Another tab's word led to it: the others know as well. */
  readonly isQuiet: boolean
  readonly moment: number
  /** By the server's clock. */
  readonly ageSeconds: number
}

export interface TrackerParts<Claims> {
  readonly state: State<Claims>
  readonly events: Emitter<ClientEvents<Claims>>
  readonly loginError: string | undefined
  readonly isFromLogin: boolean
  tell(message: TabMessage): void
  secondsLeft(): number | undefined
}

/** A sign-in may come by a plain link, of which this page knows nothing: what is so new is news to the other tabs. */
const newsSeconds = 60

export function createSessionTracker<Claims>(parts: TrackerParts<Claims>): SessionTracker<Claims> {
  const { state, events, tell } = parts
  let loginError = parts.loginError
  let isSignInNews = parts.isFromLogin
  let lastKnown: Session<Claims> | undefined
  let endedRef: string | undefined
  let endings = 0
  let isToldSignedOut = false

  const foundSession = (found: Session<Claims>, { isQuiet, ageSeconds }: FoundBy) => {
    const before = state.get()
    const session = isSame(before.session, found) ? (before.session as Session<Claims>) : found
    const previous = lastKnown
    lastKnown = session
    loginError = undefined
    state.set({
      status: 'authenticated',
      session,
      isOffline: false,
      loginError,
      canExtend: session.idleExpiresAt < session.expiresAt,
    })
    const isAnother = previous !== undefined && previous.ref !== session.ref
    if (before.status !== 'authenticated') events.emit('signed-in', { session })
    if (isAnother) events.emit('changed', { session, previous })
    const isNew = before.status === 'loading' && ageSeconds < newsSeconds
    const isNews = isSignInNews || isAnother || isNew || before.status === 'anonymous'
    isSignInNews = false
    if (isNews && !isQuiet) tell(isAnother ? 'changed' : 'signed-in')
  }

  const foundNobody = (isQuiet: boolean) => {
    const isOver = (parts.secondsLeft() ?? 1) === 0
    const { session: previous } = state.get()
    state.set({ ...signedOut, loginError })
    if (previous === undefined) return
    const otherwise = isToldSignedOut ? 'other_tab' : 'elsewhere'
    events.emit('signed-out', { reason: isOver ? 'expired' : otherwise, previous })
    if (!isQuiet) tell('changed')
  }

  return {
    moment: () => endings,
    found(session, look) {
      const { isQuiet, moment } = look
      // The look was sent before the end of this very session, and its answer came after.
      const isOutrun = moment !== endings && session !== undefined && session.ref === endedRef
      if (session === undefined || isOutrun) foundNobody(isQuiet)
      else foundSession(session, look)
      // A look that was under way when the word came may still find the session: its own look is the quiet one.
      if (isQuiet || session === undefined) isToldSignedOut = false
    },
    notFound() {
      const { status } = state.get()
      const isUnknown = status === 'loading' || status === 'unavailable'
      state.set(isUnknown ? { status: 'unavailable', isOffline: true, loginError } : { isOffline: true })
    },
    ended(reason) {
      endings += 1
      const { session: previous } = state.get()
      endedRef = previous?.ref
      state.set({ ...signedOut, loginError })
      if (previous !== undefined) events.emit('signed-out', { reason, previous })
    },
    told(message) {
      isToldSignedOut = message === 'signed-out'
    },
    dismissLoginError() {
      loginError = undefined
      state.set({ loginError })
    },
  }
}

const signedOut = {
  status: 'anonymous',
  session: undefined,
  isOffline: false,
  expiresSoon: false,
  canExtend: false,
} as const satisfies Partial<SessionState<unknown>>

/** The same session with the same times keeps its identity, so that nothing is drawn anew. */
function isSame(a: Session<unknown> | undefined, b: Session<unknown>): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b)
}
