/** Callers who leave while something is asked for that others want, too. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audience } from '../resource-server/issuer.ts'
import { asJwt, type IntrospectionServer, startIntrospectionServer } from '../support/introspection-server.ts'
import { type System, startSystem } from '../support/system.ts'
import { bearer } from '../support/tokens.ts'

let server: IntrospectionServer
let system: System
beforeAll(async () => {
  server = await startIntrospectionServer()
  system = await startSystem({
    provider: server.provider,
    routes: [
      { path: '/partner/*', upstream: '/v1', auth: 'phantom', audience },
      { path: '/stock/*', upstream: '/stock', auth: 'client', scopes: ['stock:read'], public: 'a test' },
    ],
  })
})
afterAll(async () => {
  await system.stop()
  await server.stop()
})

/** Begins a call, leaves while the authorization server is thinking, and lets it answer. */
async function leave(path: string, token: string, answer: Parameters<IntrospectionServer['tell']>[1]): Promise<void> {
  const { promise: gate, resolve: release } = Promise.withResolvers<typeof answer>()
  server.tell(
    token,
    gate.then(async (said) => said),
  )
  const before = server.asked.length
  const { hostname, port, host } = new URL(system.origin)
  const socket = connect(Number(port), hostname)
  const authorization = token === '' ? '' : `Authorization: Bearer ${token}\r\n`
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${authorization}\r\n`)
  await expect.poll(() => server.asked.length).toBe(before + 1)
  const closed = once(socket, 'close')
  // workerd notices a reset, and not an end.
  socket.resetAndDestroy()
  await closed
  // What the server did not know before, it does once it has answered another.
  await fetch(`${system.origin}/nowhere`)
  release(answer)
}

describe('a caller who leaves', () => {
  it('while a token is asked about takes nobody else along', async () => {
    await leave('/partner/x', 'left-behind', asJwt(await server.jwtFor()))
    expect((await fetch(`${system.origin}/partner/x`, bearer('left-behind'))).status).toBe(200)
  })

  it('while our own token is asked for takes nobody else along', async () => {
    const body = JSON.stringify({ access_token: 'ours', token_type: 'Bearer', expires_in: 600, scope: 'stock:read' })
    await leave('/stock/x', '', { body })
    expect((await fetch(`${system.origin}/stock/x`)).status).toBe(200)
    expect(system.upstream.requests.at(-1)?.headers.authorization).toBe('Bearer ours')
  })
})
