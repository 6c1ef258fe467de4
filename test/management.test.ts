import { expect, it } from 'vitest'
import { CoatcheckError } from '../src/index.ts'
import { cookieStore } from '../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../src/token-handler.ts'
import { good, resolve, secret } from './config/good.ts'

function handlerWith(isStoreOut: boolean) {
  const coordinator = {
    ...memoryCoordinator(),
    ...(isStoreOut && {
      read: () => Promise.reject(new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '2' } })),
    }),
  }
  const store = cookieStore({ coordinator })
  return tokenHandler(resolve(good({ session: { secrets: [secret], store } })), { report: () => undefined })
}

it('/healthz says that the process is there, whatever is out', async () => {
  for (const isStoreOut of [false, true]) {
    const answer = await handlerWith(isStoreOut).management.request('/healthz')
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }])
  }
})

it('/readyz says whether sessions can be looked up', async () => {
  const ready = await handlerWith(false).management.request('/readyz')
  expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready' }])
  const out = await handlerWith(true).management.request('/readyz')
  expect([out.status, out.headers.get('retry-after')]).toEqual([503, '2'])
})

it('neither is on the public listener, and nothing else is on this one', async () => {
  const { routes, management } = handlerWith(false)
  const answers = [
    await routes.request('https://app.example.com/healthz', { headers: { host: 'app.example.com' } }),
    await management.request('/bff/session'),
    await management.request('/api/orders/1'),
  ]
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 404])
})
