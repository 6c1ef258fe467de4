/** The guard on Deno and Bun, where they are installed (`DENO_PATH`, `BUN_PATH`, or on the path): all hostile tokens there too,
 * and those that are bound to their sender. */
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BoundCall, boundCalls, outcomeOf } from './bound-calls.ts'
import { hostileTokens } from './hostile-tokens.ts'
import { audience, signingKey, startIssuer, type TestIssuer } from './issuer.ts'
import { type Stranger, startStranger } from './stranger.ts'

const script = fileURLToPath(new URL('./elsewhere.ts', import.meta.url))
const runtimes = [
  {
    name: 'Deno',
    command: process.env.DENO_PATH ?? 'deno',
    options: ['run', '--no-prompt', '--no-lock', '--allow-net=127.0.0.1'],
  },
  { name: 'Bun', command: process.env.BUN_PATH ?? 'bun', options: ['run'] },
]
const isThere = (command: string) => spawnSync(command, ['--version']).status === 0

let issuer: TestIssuer
let stranger: Stranger
let tokens: string[]
let bound: BoundCall[]
let input: Server

beforeAll(async () => {
  issuer = await startIssuer()
  const [es256, rs256, eddsa] = await Promise.all([signingKey('ES256'), signingKey('RS256'), signingKey('EdDSA')])
  issuer.keys = [es256, rs256, eddsa]
  const good = await Promise.all(issuer.keys.map((key) => issuer.sign({}, { key })))
  stranger = await startStranger(es256.jwk.kid)
  const hostile = await hostileTokens({ issuer: issuer.url, es256, rs256, eddsa, stranger, good: good[0] ?? '' })
  tokens = [good[0] ?? '', ...hostile.map(({ token }) => token), ...good.slice(1)]
  bound = await boundCalls(issuer)
  const calls = bound.map(({ headers, certificate }) => ({ ...headers, ...clientCert(certificate) }))
  // By HTTP: all of them are about as much as an argument may hold.
  input = createServer((_request, response) =>
    response.end(JSON.stringify({ issuer: issuer.url, audience, tokens, boundCalls: calls })),
  ).listen(0, '127.0.0.1')
  await once(input, 'listening')
})
afterAll(async () => {
  input.closeAllConnections()
  input.close()
  await Promise.all([issuer.stop(), stranger.stop()])
})

/** RFC 9440 §2.2, as a proxy says it. */
function clientCert(certificate: Uint8Array | undefined): Record<string, string> {
  return certificate ? { 'Client-Cert': `:${Buffer.from(certificate).toString('base64')}:` } : {}
}

interface Printed {
  readonly results: readonly string[]
  readonly good: number
  readonly bad: number
  readonly bound: readonly Parameters<typeof outcomeOf>[0][]
}

describe.each(runtimes)('on $name', ({ command, options }) => {
  const isMissing = !isThere(command)
  let printed: Printed

  beforeAll(async () => {
    if (isMissing) return
    const url = `http://127.0.0.1:${(input.address() as AddressInfo).port}`
    const { stdout } = await promisify(execFile)(command, [...options, script, url])
    printed = JSON.parse(stdout)
  }, 60_000)

  it.skipIf(isMissing)('takes what is good, and refuses every hostile token', () => {
    const { results, good, bad } = printed
    expect(tokens.length).toBeGreaterThan(100)
    const last = tokens.length - 2
    expect(results).toEqual(tokens.map((_, at) => (at === 0 || at >= last ? 'taken' : 'invalid_token')))
    expect({ good, bad }).toEqual({ good: 200, bad: 401 })
    expect(stranger.asked).toEqual([])
  })

  it.skipIf(isMissing)('lets in who has the key or the certificate that a token is bound to, and nobody else', () => {
    const outcomes = printed.bound.map((answer, at) => [bound[at]?.name, outcomeOf(answer)])
    expect(outcomes).toEqual(bound.map((call) => [call.name, call.expected]))
  })
})
