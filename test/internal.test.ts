import { describe, expect, it } from 'vitest'
import { tokenHandler } from '../src/token-handler.ts'
import { good, resolve } from './config/good.ts'

const handler = tokenHandler(resolve(good()), { report: () => undefined })
const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code

describe('the internal listener', () => {
  it('has no route that is not of its own', async () => {
    const answer = await handler.internal.request('http://127.0.0.1:3001/api/orders/1', { headers: { 'x-csrf': '1' } })
    expect([answer.status, await codeOf(answer)]).toEqual([404, 'no_route'])
  })

  it('has none of the endpoints for browsers', async () => {
    const answer = await handler.internal.request('http://127.0.0.1:3001/bff/session', { headers: { 'x-csrf': '1' } })
    expect(await codeOf(answer)).toBe('no_route')
  })

  it.each([
    ['Origin', 'https://app.example.com'],
    ['Sec-Fetch-Site', 'same-origin'],
  ])('answers no page: a request with %s is refused, whatever it asks for', async (name, value) => {
    const answer = await handler.internal.request('http://127.0.0.1:3001/', { headers: { [name]: value } })
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'browser_refused'])
  })

  it('refuses a target that is not canonical', async () => {
    const answer = await handler.internal.request('http://127.0.0.1:3001/a//b')
    expect(await codeOf(answer)).toBe('path_not_canonical')
  })
})
