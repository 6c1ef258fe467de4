/** A Coatcheck of a few lines, handed in as `fetch`: what it answers is the test's to set. */
import { type FakeBrowser, origin } from './fake-browser.ts'

export interface SignedIn {
  sub: string
  ref: string
  createdAt: number
  idleExpiresAt: number
  expiresAt: number
}

export interface FakeServer {
  fetch: typeof globalThis.fetch
  /** Every request as it came: `GET /bff/session?slide=false`. */
  readonly requests: Request[]
  seen(): string[]
  session: SignedIn | undefined
  /** Answers anything but `/bff`; default 200 `{}`. */
  api: (request: Request) => Response | Promise<Response>
  logout: (request: Request) => Response | Promise<Response>
  /** `offline`: no answer at all. A number: every look at the session gets that status. */
  outage: 'offline' | number | undefined
  /** Resolves before the session is answered: a test holds it to let other things overtake. */
  hold: Promise<void> | undefined
  idleSeconds: number
  clockAheadMs: number
}

export function fakeServer(browser: FakeBrowser): FakeServer {
  const server: FakeServer = {
    requests: [],
    seen: () => server.requests.map(({ method, url }) => `${method} ${url.slice(origin.length)}`),
    session: undefined,
    api: () => Response.json({}),
    logout: () => Response.json({ logout_url: '/bff/logout/continue?once=1' }),
    outage: undefined,
    hold: undefined,
    idleSeconds: 1800,
    clockAheadMs: 0,
    async fetch(input, init) {
      const address = input instanceof Request ? input : new URL(String(input), origin)
      const request = new Request(address, init)
      server.requests.push(request)
      if (server.outage === 'offline') throw new TypeError('fetch failed')
      const { pathname, searchParams } = new URL(request.url)
      if (pathname.endsWith('/session')) return answerSession(searchParams.get('slide') !== 'false')
      if (pathname.endsWith('/logout')) return server.logout(request)
      return server.api(request)
    },
  }

  const answerSession = async (slide: boolean): Promise<Response> => {
    if (typeof server.outage === 'number') return problem('store_unavailable', server.outage)
    const now = browser.time + server.clockAheadMs
    if (
      server.session !== undefined &&
      Math.min(server.session.idleExpiresAt, server.session.expiresAt) * 1000 <= now
    ) {
      server.session = undefined
    }
    if (server.session !== undefined && slide) {
      server.session.idleExpiresAt = Math.min(Math.floor(now / 1000) + server.idleSeconds, server.session.expiresAt)
    }
    const body = answerOf(server.session)
    await server.hold
    return Response.json(body, { headers: { date: new Date(now).toUTCString() } })
  }
  return server
}

function answerOf(session: SignedIn | undefined) {
  if (session === undefined) return { authenticated: false }
  return {
    authenticated: true,
    claims: { sub: session.sub },
    ref: session.ref,
    created_at: session.createdAt,
    idle_expires_at: session.idleExpiresAt,
    expires_at: session.expiresAt,
  }
}

export function signedIn(browser: FakeBrowser, sub = 'ann', ref = `ref-${sub}`): SignedIn {
  const now = Math.floor(browser.time / 1000)
  return { sub, ref, createdAt: now, idleExpiresAt: now + 1800, expiresAt: now + 12 * 3600 }
}

export function problem(code: string, status: number, members: Record<string, unknown> = {}): Response {
  const document = { type: `urn:coatcheck:problem:${code}`, title: `Title of ${code}`, status, code, ...members }
  return new Response(JSON.stringify(document), { status, headers: { 'content-type': 'application/problem+json' } })
}
