import { describe, expect, it } from 'vitest'
import { tokenHandler } from '../src/token-handler.ts'
import { good, resolve } from './config/good.ts'

const { internal } = tokenHandler(resolve(good({ internalHosts: ['Coatcheck.internal'] })), { report: () => undefined })
const ask = (path: string, headers: Record<string, string> = {}) =>
  internal.request(`http://127.0.0.1:3001${path}`, { headers: { host: '127.0.0.1:3001', ...headers } })
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

describe('the internal listener', () => {
  it('has no route that is not of its own', async () => {
    const answer = await ask('/api/orders/1', { 'x-csrf': '1' })
    expect([answer.status, await codeOf(answer)]).toEqual([404, 'no_route'])
  })

  it('has none of the endpoints for browsers', async () => {
    const answer = await ask('/bff/session', { 'x-csrf': '1' })
    expect(await codeOf(answer)).toBe('no_route')
  })

  it.each([
    ['Origin', 'https://app.example.com'],
    ['Sec-Fetch-Site', 'same-origin'],
  ])('answers no page: a request with %s is refused, whatever it asks for', async (name, value) => {
    const answer = await ask('/', { [name]: value })
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'browser_refused'])
  })

  it('refuses a target that is not canonical', async () => {
    const answer = await ask('/a//b')
    expect(await codeOf(answer)).toBe('path_not_canonical')
  })

  it.each([
    '127.0.0.1:3001',
    '10.0.0.5',
    '[::1]:3001',
    'localhost:3001',
    'coatcheck.internal',
    'COATCHECK.internal:3001',
  ])('is called as %s', async (host) => {
    expect(await codeOf(await ask('/', { host }))).toBe('no_route')
  })

  it.each([
    'rebound.example',
    'coatcheck.internal.evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'localhost.',
    '127.0.0.1, evil.example',
    '127.0.0.1@evil.example',
    '[::1].evil.example',
    'evil.example#localhost',
    '',
  ])('is not called as %s: a page may have made that name point here', async (host) => {
    const answer = await ask('/', { host })
    expect([answer.status, await codeOf(answer)]).toEqual([421, 'misdirected_request'])
  })
})
