/**
 * Event streams that no session was opened for (WebSockets are on session routes alone): each caller has so many, and
 * those of whom nothing but an address is known leave a share of all places to those who have said who they are. An address
 * costs nothing to have.
 */
import { CoatcheckError } from '../errors.ts'
import type { Callers } from './rate-limits.ts'

export interface SessionlessStreams {
  /**
   * @param caller by whose access token, or from where; of who is neither known by only the share is a bound
   * @returns what gives the place back, to be called once
   * @throws CoatcheckError `too_many_streams` for this caller, `streams_busy` for all strangers together
   */
  enter(caller: Callers): () => void
}

export interface SessionlessLimits {
  /** Of who has brought a token. */
  perSession: number
  perAddress: number
  total: number
}

/** What strangers may have of all places. */
const strangersShare = 3 / 4

export function sessionlessStreams({ perSession, perAddress, total }: SessionlessLimits): SessionlessStreams {
  const counts = new Map<string, number>()
  const mostStrangers = Math.max(1, Math.floor(total * strangersShare))
  let strangers = 0

  return {
    enter({ subject, address }) {
      const isStranger = subject === undefined
      if (isStranger && strangers >= mostStrangers) throw streamsBusy()
      const key = isStranger ? address && `address ${address}` : `subject ${subject}`
      if (key !== undefined) {
        const count = counts.get(key) ?? 0
        const limit = isStranger ? perAddress : perSession
        if (count >= limit) throw tooManyStreams(limit)
        counts.set(key, count + 1)
      }
      if (isStranger) strangers += 1
      return () => {
        if (isStranger) strangers -= 1
        if (key === undefined) return
        const left = (counts.get(key) ?? 1) - 1
        if (left > 0) counts.set(key, left)
        else counts.delete(key)
      }
    },
  }
}

export function tooManyStreams(limit: number): CoatcheckError {
  return new CoatcheckError('too_many_streams', { headers: { 'Retry-After': '5' }, members: { limit } })
}

export function streamsBusy(): CoatcheckError {
  return new CoatcheckError('streams_busy', { headers: { 'Retry-After': '5' } })
}
