/** When a run of chaos fails, and what excuses a row. */
import { expect, it } from 'vitest'
import { missed } from '../../bench/chaos/targets.ts'

const row = {
  ...{ store: 'cookie+redis', fault: 'none', processes: 3, users: 16, calls: 1000 },
  ...{ refreshesSent: 48, refreshesNeeded: 48, sessionsLost: 0, unsavable: 2, serverErrors: 9, longestPauseMs: 900 },
}
const finding = (changes: Partial<typeof row>, more: { errorsWithLiveToken?: number; losesData?: boolean } = {}) => ({
  ...{ row: { ...row, ...changes }, errorsWithLiveToken: 0, losesData: false },
  ...more,
})

it.each([
  ['all is well', finding({}), 0],
  ['a session is lost', finding({ sessionsLost: 1 }), 1],
  ['a session is lost with what the store held', finding({ sessionsLost: 1 }, { losesData: true }), 0],
  ['a refresh is one too many', finding({ refreshesSent: 49 }), 1],
  ['a refresh is missing', finding({ refreshesSent: 47 }), 1],
  ['the request of a dead process is repeated', finding({ refreshesSent: 49, fault: 'killed-request-sent' }), 0],
  ['a call with a live token gets a 5xx', finding({}, { errorsWithLiveToken: 1 }), 1],
])('where %s, so many targets are missed', (_what, one, count) => {
  expect(missed(one)).toHaveLength(count)
})
