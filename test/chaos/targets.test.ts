/** When a run of chaos fails, and what excuses a row. */
import { expect, it } from 'vitest'
import { missed } from '../../bench/chaos/targets.ts'

const row = {
  ...{ store: 'cookie+redis', fault: 'none', processes: 3, users: 16, calls: 1000 },
  ...{ refreshesSent: 48, refreshesNeeded: 48, sessionsLost: 0, unsavable: 0, serverErrors: 9, longestPauseMs: 900 },
}
const beside = {
  errorsWithLiveToken: 0,
  unanswered: 0,
  sentTooLate: 0,
  signedOutMeanwhile: 0,
  gracePeriodSeconds: 0,
  losesData: false,
}
const finding = (changes: Partial<typeof row>, more: Partial<typeof beside> = {}) => ({
  ...{ row: { ...row, ...changes }, ...beside },
  ...more,
})
/** Two people are signed out, and the only answer with their next token was lost. */
const unsavable = (fault: string, gracePeriodSeconds: number) =>
  finding({ fault, unsavable: 2 }, { gracePeriodSeconds })

it.each([
  ['all is well', finding({}), 0],
  ['a session is lost', finding({ sessionsLost: 1 }), 1],
  ['a session is lost with what the store held', finding({ sessionsLost: 1 }, { losesData: true }), 0],
  ['a refresh is one too many', finding({ refreshesSent: 49 }), 1],
  ['a refresh is missing', finding({ refreshesSent: 47 }), 1],
  ['the request of a dead process is repeated', finding({ refreshesSent: 49, fault: 'killed-request-sent' }), 0],
  ['answers of a strict server are lost', unsavable('answer-lost-strict', 0), 0],
  ['a strict server goes down with its answers', unsavable('provider-refusing', 0), 0],
  ['a process dies with the answer of a strict server', unsavable('killed-answer-received-strict', 0), 0],
  ['an answer is lost within a grace period', unsavable('answer-lost-with-grace', 10), 1],
  ['an answer is garbage within a grace period', unsavable('answer-garbage-with-grace', 10), 1],
  ['a process dies within a grace period longer than a lease', unsavable('killed-request-sent', 30), 1],
  ['a process dies, and the grace period is over before its lease', unsavable('killed-request-sent', 10), 0],
  ['an answer is said to be lost, and nothing loses any', unsavable('none', 0), 1],
  ['a call with a live token gets a 5xx', finding({}, { errorsWithLiveToken: 1 }), 1],
  ['a call gets no answer', finding({}, { unanswered: 1 }), 1],
  ['a session that stands is said to be over', finding({}, { signedOutMeanwhile: 1 }), 1],
  ['a call is sent on with a token that has ended', finding({}, { sentTooLate: 1 }), 1],
])('where %s, so many targets are missed', (_what, one, count) => {
  expect(missed(one)).toHaveLength(count)
})
