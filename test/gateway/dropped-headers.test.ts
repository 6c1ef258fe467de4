import { expect, it } from 'vitest'
import type { Config } from '../../src/config/types.ts'
import { tellDropped } from '../../src/gateway/dropped-headers.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { good, resolve } from '../config/good.ts'
import { route } from './routes.ts'

const inDevelopment = resolve(good({ spa: { proxy: 'http://localhost:5173' } }))
const orders = route('/api/orders/*')

function teller(config: Config) {
  const told: CoatcheckEvent[] = []
  return { told, tell: tellDropped(config, (event) => told.push(event)) }
}

it('in development a field that does not pass is told of once for each route, with what to add', () => {
  const { told, tell } = teller(inDevelopment)
  const headers = { accept: '*/*', 'x-csrf': '1', cookie: 'a=b', 'user-agent': 'x', 'x-tenant': 'acme', 'x-trace': '7' }
  tell?.(orders, headers)
  tell?.(orders, headers)
  expect(told).toEqual([
    {
      event: 'request_headers_dropped',
      route: '/api/orders/*',
      names: ['x-tenant', 'x-trace'],
      add: "requestHeaders: ['x-tenant', 'x-trace']",
    },
  ])
  tell?.(route('/api/prices'), headers)
  expect(told).toHaveLength(2)
  expect(JSON.stringify(told)).not.toContain('acme')
})

it('made-up names fill neither the log nor memory', () => {
  const { told, tell } = teller(inDevelopment)
  for (let at = 0; at < 1000; at++) tell?.(orders, { [`x-${at}`]: '1' })
  expect(told).toHaveLength(100)
})

it('nothing is told where the app is served as it was built', () => {
  expect(teller(resolve(good({ spa: { dir: 'dist' } }))).tell).toBeUndefined()
  expect(teller(resolve(good())).tell).toBeUndefined()
})
