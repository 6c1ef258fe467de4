import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type System, startSystem } from '../support/system.ts'

let system: System
beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system.stop())
beforeEach(() => system.upstream.reset())

describe('signing in', () => {
  it('goes to the provider and comes back with a session that calls the API', async () => {
    const browser = await system.signedIn()
    const session = await system.call(browser, '/bff/session')
    expect(await session.json()).toMatchObject({ authenticated: true, claims: { name: 'Ada Lovelace' } })
    const answer = await system.call(browser, '/api/orders?page=2')
    expect(answer.status).toBe(200)
    const { target, headers } = (await answer.json()) as { target: string; headers: Record<string, string> }
    expect(target).toBe('/v1/orders?page=2')
    expect(headers.authorization).toMatch(/^Bearer ey/)
    expect(headers.cookie).toBeUndefined()
  })
})
