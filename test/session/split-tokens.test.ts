/** What is kept of a split token: nothing that a copy of the store could read, or open a route with. */
import { describe, expect, it } from 'vitest'
import { sealer } from '../../src/session/seal.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { good, goodProvider, goodRoute, otherSecret, resolve, secret } from '../config/good.ts'
import { claimsOf, signClaims, signingKey } from '../resource-server/issuer.ts'

const { issuer, clientId } = goodProvider() as { issuer: string; clientId: string }
const coordinator = memoryCoordinator()
const { internal } = tokenHandler(
  resolve(
    good({
      session: { secrets: [secret], store: cookieStore({ coordinator }) },
      splitTokens: { secrets: [otherSecret] },
      listeners: { internal: 3001 },
      routes: [goodRoute({ auth: 'split', audience: 'https://api.example.com' })],
    }),
  ),
)

async function deliver(): Promise<{ hash: string; payload: string; signature: string }> {
  const jwt = await signClaims(claimsOf(issuer, { sub: 'ada-subject' }), await signingKey())
  const [head = '', payload = '', signature = ''] = jwt.split('.')
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(signature))
  const hash = Buffer.from(digest).toString('base64url')
  const answer = await internal.request('http://127.0.0.1:3001/bff/split-tokens', {
    method: 'POST',
    headers: { host: '127.0.0.1:3001', authorization: `Bearer ${otherSecret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ signature_hash: hash, token: `${head}.${payload}` }),
  })
  expect(answer.status).toBe(204)
  return { hash, payload, signature }
}

describe('what was delivered of a token', () => {
  it('is sealed where it is kept, for this purpose and with the session’s secrets', async () => {
    const { hash, payload, signature } = await deliver()
    const kept = (await coordinator.recall(`split:${hash}`)) ?? ''
    expect(kept).toMatch(/^Fe26\.2\*/)
    for (const part of [payload, signature, Buffer.from('ada-subject').toString('base64url').slice(1, -1)]) {
      expect(kept).not.toContain(part)
    }
    const context = { origin: 'https://app.example.com', issuer, clientId }
    expect(await sealer([secret], 'split', context).open(kept)).toContain(payload)
    for (const purpose of ['session', 'ledger', 'login', 'result'] as const) {
      expect(await sealer([secret], purpose, context).open(kept), purpose).toBeUndefined()
    }
    expect(await sealer([otherSecret], 'split', context).open(kept)).toBeUndefined()
  })
})
