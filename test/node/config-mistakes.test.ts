import { expect, it } from 'vitest'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { tokenHandler } from '../../src/token-handler.ts'
import { good, goodRoute, resolve } from '../config/good.ts'
import { certificateFor } from './certificates.ts'

const start = (config: unknown) => () => tokenHandler(resolve(config), { runtime: nodeRuntime() })

it('a key of another certificate is a mistake at the start, by its path', () => {
  const [one, other] = [certificateFor('a'), certificateFor('b')]
  const upstreams = [
    { origin: 'https://a.internal' },
    { origin: 'https://b.internal', tls: { cert: one.cert, key: other.key } },
  ]
  expect(start(good({ upstreams }))).toThrow(/upstreams\[1\]\.tls cannot be used/)
})

it('a service binding, which would be asked for on the network here, is a mistake at the start', () => {
  const binding = { fetch: async () => new Response() }
  const routes = [goodRoute(), goodRoute({ path: '/api/prices', upstream: binding })]
  expect(start(good({ routes }))).toThrow(/routes\[1\]\.upstream is a service binding/)
})
