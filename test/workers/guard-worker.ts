/** An API on Workers behind the guard. */
import { type Context, Hono } from 'hono'
import {
  allow,
  anyCaller,
  assertGuarded,
  dpopNonces,
  type GuardedEnv,
  guarded,
  guardedObject,
  honoGuard,
  type JwtGuardOptions,
  jwtGuard,
  openToEveryone,
  ownerOf,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { thumbprintOf } from '../resource-server/client-certificates.ts'

interface Env {
  readonly ISSUER: string
  readonly AUDIENCE: string
}

type Handler = (request: Request, ...rest: object[]) => Response | Promise<Response>

/** The same API twice: in Hono, and for `?plain` as a function over a request. */
let app: Hono<GuardedEnv> | undefined
let plain: Handler | undefined

/** Everything but `fetch`, time and randomness may be used in module scope, and a guard needs none of them to be made. */
jwtGuard({
  issuer: 'https://login.example.com',
  audience: 'https://api.example.com',
  dpop: { origin: 'https://api.example.com', nonces: dpopNonces({ secret: new Uint8Array(32) }) },
})

function optionsFor({ ISSUER, AUDIENCE }: Env): JwtGuardOptions {
  return {
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: { cooldownSeconds: 3600 },
    dpop: { origin: AUDIENCE },
    onRefused: ({ reason, cause }) => console.log(`refused ${reason} ${cause ?? ''}`),
  }
}

function makeApp(env: Env): Hono<GuardedEnv> {
  const guard = jwtGuard({
    ...optionsFor(env),
    clientCertificate: (call) => thumbprintOf((call.native as Context).req.raw),
  })
  const orderFor = guardedObject((id: string) => ({ id, owner: id === '1' ? 'ada' : 'grace' }), ownerOf('owner'))
  const routes = new Hono<GuardedEnv>()
  routes.use(honoGuard(guard))
  routes.get('/orders/:id', allow(requireScopes('orders:read')), async (c) => {
    const { access } = c.var
    return c.json({ ...(await orderFor(access, c.req.param('id'))), boundTo: access.boundTo })
  })
  routes.get('/prices', allow(openToEveryone('no personal data')), (c) => c.text('prices'))
  return assertGuarded(routes)
}

function makePlain(env: Env): Handler {
  const guard = jwtGuard({
    ...optionsFor(env),
    clientCertificate: (call) => thumbprintOf(call.native as Request),
  })
  return guarded(guard, [anyCaller()], (_request, { boundTo }) => Response.json({ boundTo }))
}

export default {
  fetch(request: Request, env: Env, context: object): Response | Promise<Response> {
    if (request.url.endsWith('?plain')) {
      plain ??= makePlain(env)
      return plain(request, env, context)
    }
    app ??= makeApp(env)
    return app.fetch(request, env, context as never)
  },
}
