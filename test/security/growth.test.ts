/**
 * Work that grows faster than the input (ReDoS, and hashes that collide). Each reader of what others write gets what its
 * expressions are worst at, twice as long as any limit lets through: work in proportion to the length takes a
 * millisecond or two, work by the square a second.
 */
import { describe, expect, it } from 'vitest'
import { withLoginError } from '../../src/endpoints/login-error.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { ExpiringMap } from '../../src/expiring-map.ts'
import { attachmentOf, contentOf } from '../../src/gateway/content.ts'
import { connectionOptions, splitOutsideQuotes } from '../../src/gateway/fields.ts'
import { buildRouteTable } from '../../src/gateway/match.ts'
import { withoutHints } from '../../src/gateway/origin-fields.ts'
import { rewriteQuery } from '../../src/gateway/query.ts'
import { clientResponseHeaders } from '../../src/gateway/response-headers.ts'
import { checkTarget } from '../../src/gateway/target.ts'
import { eventLine } from '../../src/observability/events.ts'
import { clientAddresses } from '../../src/protection/client-address.ts'
import { readCookies } from '../../src/protection/cookies.ts'
import { checkHost } from '../../src/protection/host.ts'
import { parseReturnTo } from '../../src/protection/return-to.ts'
import { fromCookies } from '../../src/session/cookie-parts.ts'
import { transactionIdOf } from '../../src/session/login-transaction.ts'
import { sealer } from '../../src/session/seal.ts'
import { targetOf } from '../../src/web-runtime.ts'
import { openRoute, route } from '../gateway/routes.ts'
import { testSecret } from '../support/system.ts'

const length = 32 * 1024
const boundMs = 100

/** CPU time of this thread, the better of two runs: what else runs on the machine is not measured. */
function shortestMs(run: () => unknown): number {
  let shortest = Number.POSITIVE_INFINITY
  for (let count = 0; count < 2; count++) {
    const before = process.threadCpuUsage()
    try {
      run()
    } catch (error) {
      // A refusal is an answer too; a mistake in this table is none.
      if (!(error instanceof CoatcheckError)) throw error
    }
    const { user, system } = process.threadCpuUsage(before)
    shortest = Math.min(shortest, (user + system) / 1000)
  }
  return shortest
}

const pieces = [
  ...[
    'a',
    '/',
    '//',
    '/../',
    '/a/',
    '.',
    '%',
    '%2e',
    '%2f',
    '%e2%82%ac',
    ';',
    ';=',
    '=',
    '&',
    'a=b&',
    '=;',
    ' ',
    '\t',
    ', ',
    ',',
  ],
  ...[
    '"',
    '\\"',
    '\\',
    '"\\',
    'a"',
    '<',
    '<>',
    '<a>; rel=x, ',
    '; rel="',
    '-',
    '_',
    '.a',
    '-a.a',
    'a.a-',
    '1',
    '1.',
    ':',
    '::',
    '::1,',
  ],
  ...[
    '1.1.1.1,',
    '[',
    ']',
    '*',
    'Fe26.2*',
    '*a',
    '~',
    '~2',
    '+',
    '?',
    '#',
    '\r\n',
    '\0',
    'é',
    '\ud800',
    '😀',
    '\u2028',
    'error="',
    'error=',
  ],
]
const hostile = pieces.flatMap((piece) => {
  const whole = piece.repeat(Math.ceil(length / piece.length)).slice(0, length)
  return [whole, `/${whole}`, `${whole}!`, `,${whole}`, `"${whole}`, `a/b;${whole}`]
})

const seals = sealer([testSecret], 'session', {
  origin: 'https://a.example',
  issuer: 'https://b.example',
  clientId: 'c',
})
const addresses = clientAddresses([])
const table = buildRouteTable([
  route('/api/*', { allowEncodedSlash: true, allowSemicolon: true }),
  openRoute('/:a/:b/:c/*'),
])
const queryRules = { allow: new Set(['a']), remove: new Set(['b']), set: [] } as unknown as Parameters<
  typeof rewriteQuery
>[1]

const readers: ReadonlyArray<readonly [string, (text: string) => unknown]> = [
  ['the Cookie field', (text) => readCookies(text, (name) => name.startsWith('_'))],
  [
    'parts of a cookie',
    (text) =>
      fromCookies(
        'c',
        new Map([
          ['c.0', text],
          ['c.1', text],
        ]),
      ),
  ],
  ['a seal', (text) => void seals.open(text)],
  ['the request target', (text) => checkTarget(text)],
  ['the match of a path', (text) => table.match(text, 'GET')],
  ['the target in a URL', (text) => targetOf(`https://a.example${text}`)],
  ['return_to', (text) => parseReturnTo(text, () => false)],
  ['login_error in it', (text) => withLoginError(`/?${text}`, 'login_failed')],
  ['the query', (text) => rewriteQuery(`?${text}`, queryRules)],
  ['state', (text) => transactionIdOf(text)],
  ['Host', (text) => checkHost({ host: text }, { host: 'a.example', isSecureOrigin: true })],
  ['X-Forwarded-For', (text) => addresses.of('127.0.0.1', () => text)],
  ['Connection', (text) => connectionOptions(text)],
  ['a list', (text) => splitOutsideQuotes(text, ',')],
  ['Link', (text) => withoutHints(text)],
  ['Content-Type', (text) => contentOf([text])],
  ['Content-Disposition', (text) => attachmentOf([text])],
  [
    'the fields of an answer',
    (text) =>
      clientResponseHeaders(
        ['content-type', 'cache-control', 'vary', 'link', 'content-disposition', 'expires'].map((name) => [name, text]),
        200,
        route('/api/*', { cache: 'private' }),
      ),
  ],
  ['a line of the log', (text) => eventLine({ event: 'login_failed', code: text })],
]

describe.each(readers)('reading %s', (_name, read) => {
  it('takes time in proportion to its length', () => {
    for (const text of hostile) {
      const ms = shortestMs(() => read(text))
      expect(ms, JSON.stringify(text.slice(0, 20))).toBeLessThan(boundMs)
    }
  })
})

describe('maps with keys from outside', () => {
  it('hold names of every object’s members like others', () => {
    const map = new ExpiringMap<number>({ now: () => 0 }, 10)
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(map.get(key)).toBeUndefined()
      map.set(key, 1, 1)
      expect(map.get(key)).toBe(1)
    }
    expect(table.match('/__proto__/constructor/toString/x', 'GET').kind).toBe('route')
    expect(table.match('/api/__proto__', '__proto__').kind).toBe('method_not_allowed')
    expect(table.match('/constructor', 'GET').kind).toBe('none')
  })

  it('stay bounded, whatever comes', () => {
    const map = new ExpiringMap<number>({ now: () => 0 }, 1000)
    for (let key = 0; key < 50_000; key++) map.set(`key${key}`, key, 1)
    expect(map.size).toBeLessThanOrEqual(1000)
  })
})
