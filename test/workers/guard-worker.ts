/** An API on Workers behind the guard. */
import { Hono } from 'hono'
import {
  allow,
  assertGuarded,
  dpopNonces,
  type GuardedEnv,
  guardedObject,
  honoGuard,
  jwtGuard,
  openToEveryone,
  ownerOf,
  requireScopes,
} from '../../src/resource-server/index.ts'

interface Env {
  readonly ISSUER: string
  readonly AUDIENCE: string
}

let app: Hono<GuardedEnv> | undefined

/** Everything but `fetch`, time and randomness may be used in module scope, and a guard needs none of them to be made. */
jwtGuard({
  issuer: 'https://login.example.com',
  audience: 'https://api.example.com',
  dpop: { origin: 'https://api.example.com', nonces: dpopNonces({ secret: new Uint8Array(32) }) },
})

function makeApp({ ISSUER, AUDIENCE }: Env): Hono<GuardedEnv> {
  const guard = jwtGuard({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { cooldownSeconds: 3600 },
    dpop: { origin: AUDIENCE },
    onRefused: ({ reason, cause }) => console.log(`refused ${reason} ${cause ?? ''}`),
  })
  const orderFor = guardedObject((id: string) => ({ id, owner: id === '1' ? 'ada' : 'grace' }), ownerOf('owner'))
  const routes = new Hono<GuardedEnv>()
  routes.use(honoGuard(guard))
  routes.get('/orders/:id', allow(requireScopes('orders:read')), async (c) => {
    return c.json(await orderFor(c.var.access, c.req.param('id')))
  })
  routes.get('/prices', allow(openToEveryone('no personal data')), (c) => c.text('prices'))
  return assertGuarded(routes)
}

export default {
  fetch(request: Request, env: Env, context: object): Response | Promise<Response> {
    app ??= makeApp(env)
    return app.fetch(request, env, context as never)
  },
}
