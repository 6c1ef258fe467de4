/**
 * Event streams and WebSockets that are open here, and their end with the session that they were opened for (protocol.md
 * E6). What ends in this process closes them at once. What ends elsewhere is found by looking at the sessions in turn:
 * each about once a second, with a bound on how many in a second, so that the store's load does not grow with the streams.
 *
 * A stream is no activity (C5): it does not keep its session from idling out. Activity that this process has seen counts;
 * of what the browser did at another process only its cookie tells, so a stream is closed at the idle end that is known
 * here, and who is still signed in opens it again.
 */
import type { Report } from '../observability/events.ts'
import type { Clock, LongLived, Runtime } from '../runtime.ts'
import { shortId } from '../session/session.ts'
import type { KeepAlive, OpenSession, Sessions } from '../session/sessions.ts'
import type { Callers } from './rate-limits.ts'
import { sessionlessStreams, streamsBusy, tooManyStreams } from './sessionless-streams.ts'

export interface LiveStreams {
  /**
   * Takes a place for a stream of this session, or of this caller, who has none.
   *
   * @throws CoatcheckError `too_many_streams` for this one, `streams_busy` for all of them together
   */
  enter(open: OpenSession | undefined, caller?: Callers): Place
  /** This session has ended, here and now. */
  ended(sessionId: string): void
  /** A cookie went out by which the session idles out then, in epoch seconds. */
  seen(sessionId: string, idleEndsAt: number): void
}

export interface Place {
  /** The stream that the place was taken for: it gives the place back once it is over. */
  fill(stream: LongLived, keepAlive: KeepAlive): void
  /** There will be no stream. */
  leave(): void
}

export interface LiveStreamsOptions {
  sessions: Pick<Sessions, 'standing' | 'idleEndsAt' | 'hasLiveToken'>
  runtime: Pick<Runtime, 'every' | 'hasSharedTimers'>
  clock: Clock
  report: Report
  perSession: number
  perAddress: number
  total: number
}

interface Watched {
  open: OpenSession
  idleEndsAt: number
  readonly places: Set<Taken>
  /** Since when the store could not be asked. */
  unknownSince: number | undefined
  /** Set once it is known to have ended. */
  verdict: Verdict | undefined
}

type Verdict = 'session_ended' | 'session_idle'

/** One place: its stream, once there is one. */
interface Taken {
  stream: LongLived | undefined
  hasEnded: boolean
}

const tickMs = 500
/** A round over all sessions takes so many ticks, or longer where there are more than the bound allows. */
const ticksPerRound = 2
const mostPerTick = 1000
/** Asked at a time: the other work of the process and of the store goes in between. */
const batchSize = 50
/** Where each stream has a timer of its own. */
const ownTickMs = 1000
/** A store that answers too late is out. */
const checkLimitMs = 5000
/** A store that is out for so long, or shorter, closes nothing. */
const storeGraceMs = 10_000

export function liveStreams(options: LiveStreamsOptions): LiveStreams {
  const { sessions, runtime, clock, report, perSession, total } = options
  const sessionless = sessionlessStreams(options)
  const watched = new Map<string, Watched>()
  let count = 0
  let round = watched.values()
  let stopTimer: (() => void) | undefined
  let isChecking = false

  async function judge(entry: Watched): Promise<Verdict | undefined> {
    if (entry.verdict) return entry.verdict
    const standing = await withinLimit(sessions.standing(entry.open))
    if (standing === 'ended') return 'session_ended'
    const now = clock.now()
    if (entry.idleEndsAt * 1000 <= now) return 'session_idle'
    if (standing === 'stands') {
      entry.unknownSince = undefined
      return undefined
    }
    // While the store is out an end is honoured when the access token ends, at the latest (E4).
    entry.unknownSince ??= now
    const isLong = now - entry.unknownSince >= storeGraceMs
    return isLong && !sessions.hasLiveToken(entry.open) ? 'session_ended' : undefined
  }

  /** From now on the session is not among the watched; who opens a stream with a newer cookie begins anew. */
  function settle(entry: Watched, verdict: Verdict): void {
    const { id } = entry.open.session
    if (entry.verdict) return
    entry.verdict = verdict
    if (watched.get(id) === entry) watched.delete(id)
    stopIfIdle()
    report({ event: 'streams_closed', session: shortId({ id }), reason: verdict, count: entry.places.size })
  }

  /** One that is still being opened ends as soon as it is. */
  function end(taken: Taken): void {
    taken.hasEnded = true
    taken.stream?.end()
  }

  /** All of the session's streams, in one go. */
  async function check(entry: Watched): Promise<void> {
    const verdict = await judge(entry)
    if (!verdict) return
    settle(entry, verdict)
    for (const taken of entry.places) end(taken)
  }

  /** This stream alone: those of other requests are theirs to end. */
  async function checkOwn(entry: Watched, taken: Taken): Promise<void> {
    const verdict = await judge(entry)
    if (!verdict) return
    settle(entry, verdict)
    end(taken)
  }

  async function tick(): Promise<void> {
    if (isChecking) return
    isChecking = true
    try {
      let left = Math.min(mostPerTick, Math.ceil(watched.size / ticksPerRound))
      while (left > 0) {
        const batch = nextOnes(Math.min(left, batchSize))
        if (batch.length === 0) return
        left -= batch.length
        await Promise.all(batch.map(check))
      }
    } finally {
      isChecking = false
    }
  }

  /** In turn: what came in the meantime has its turn in the same round, at the end. */
  function nextOnes(most: number): Watched[] {
    const batch: Watched[] = []
    let hasBegunAgain = false
    while (batch.length < most) {
      const { done, value } = round.next()
      if (!done) {
        batch.push(value)
      } else if (hasBegunAgain) {
        break
      } else {
        round = watched.values()
        hasBegunAgain = true
      }
    }
    return batch
  }

  function startIfNeeded(): void {
    if (runtime.hasSharedTimers) stopTimer ??= runtime.every(tickMs, () => void tick())
  }

  function stopIfIdle(): void {
    if (watched.size > 0) return
    stopTimer?.()
    stopTimer = undefined
  }

  function entryFor(open: OpenSession): Watched {
    const known = watched.get(open.session.id)
    if (known) {
      if (open.session.version > known.open.session.version) known.open = open
      return known
    }
    const idleEndsAt = sessions.idleEndsAt(open, false)
    const entry: Watched = { open, idleEndsAt, places: new Set(), unknownSince: undefined, verdict: undefined }
    watched.set(open.session.id, entry)
    return entry
  }

  return {
    enter(open, caller = {}) {
      if (count >= total) throw streamsBusy()
      const entry = open && entryFor(open)
      if (entry && entry.places.size >= perSession) throw tooManyStreams(perSession)
      const leaveSessionless = open ? undefined : sessionless.enter(caller)
      const taken: Taken = { stream: undefined, hasEnded: false }
      let hasLeft = false
      count += 1
      entry?.places.add(taken)
      if (entry) startIfNeeded()
      const stopOwn =
        entry && !runtime.hasSharedTimers ? runtime.every(ownTickMs, () => void checkOwn(entry, taken)) : undefined
      const leave = () => {
        if (hasLeft) return
        hasLeft = true
        count -= 1
        stopOwn?.()
        leaveSessionless?.()
        if (!entry) return
        entry.places.delete(taken)
        if (entry.places.size > 0 || watched.get(entry.open.session.id) !== entry) return
        watched.delete(entry.open.session.id)
        stopIfIdle()
      }
      return {
        leave,
        fill(stream, keepAlive) {
          taken.stream = stream
          if (runtime.hasSharedTimers) stream.watch(leave)
          // A timer that belongs to a request stops with it.
          else keepAlive(new Promise<void>((resolve) => stream.watch(() => resolve(leave()))))
          if (taken.hasEnded) stream.end()
        },
      }
    },

    ended(sessionId) {
      const entry = watched.get(sessionId)
      if (!entry) return
      settle(entry, 'session_ended')
      if (runtime.hasSharedTimers) for (const taken of entry.places) end(taken)
    },

    seen(sessionId, idleEndsAt) {
      const entry = watched.get(sessionId)
      if (entry && idleEndsAt > entry.idleEndsAt) entry.idleEndsAt = idleEndsAt
    },
  }
}

/** What hangs is no answer. */
async function withinLimit<Answer>(work: Promise<Answer>): Promise<Answer | 'unknown'> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<'unknown'>((resolve) => {
    timer = setTimeout(() => resolve('unknown'), checkLimitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
