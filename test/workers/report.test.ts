import { afterEach, expect, it, vi } from 'vitest'
import { reportToLog } from '../../src/workers/report.ts'

afterEach(() => vi.restoreAllMocks())

it('a Worker’s log marks as an error what somebody should look at, and nothing else', () => {
  const log = vi.spyOn(console, 'log').mockReturnValue()
  const error = vi.spyOn(console, 'error').mockReturnValue()
  reportToLog({ event: 'session_refreshed', session: 'abcdefgh', version: 2 })
  reportToLog({ event: 'refresh_failed', session: 'abcdefgh', kind: 'unreachable', cause: new TypeError('a secret') })
  expect(log.mock.calls).toEqual([['{"event":"session_refreshed","session":"abcdefgh","version":2}']])
  expect(error.mock.calls).toEqual([
    ['{"event":"refresh_failed","session":"abcdefgh","kind":"unreachable","cause":"TypeError"}'],
  ])
})
