/** What the system says of an address; the real thing is tried in start.test.ts, serve.test.ts and cli.test.ts. */
import { expect, it } from 'vitest'
import { listenError } from '../../src/node/listen-error.ts'

const said = { host: 'the option host', port: 'the option port' }
const failed = (code: string) => Object.assign(new Error(`listen ${code}`), { code })

// Who runs these tests may listen on every port.
it('a port that needs more rights is named, with what to do', () => {
  const cause = failed('EACCES')
  expect(listenError(cause, { host: undefined, port: 443 }, said)).toMatchObject({
    message: 'Port 443 may not be listened on by this user. Name one above 1023 in the option port.',
    ...{ code: 'EACCES', cause },
  })
})

it('a failure that is nobody’s mistake stays what it is', () => {
  for (const other of [failed('EMFILE'), new TypeError('x'), 'x']) {
    expect(listenError(other, { host: undefined, port: 443 }, said)).toBe(other)
  }
})
