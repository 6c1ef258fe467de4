/** `GET /bff/session`: who is signed in, as far as the page may know. Never a token. */
import type { Handler } from 'hono'
import { CoatcheckError } from '../errors.ts'
import type { BffEnv, Services } from '../services.ts'
import { openForPage } from './open-for-page.ts'

export function session(services: Services): Handler<BffEnv> {
  const { sessions, reply } = services
  return async (c) => {
    const slides = new URLSearchParams(c.get('target').query).get('slide') !== 'false'
    const { open, cookies } = await openForPage(services, c).catch(signedOutIfRequired)
    if (!open || !sessions.isUsable(open)) return reply({ status: 200, json: { authenticated: false } })
    return reply({
      status: 200,
      json: {
        authenticated: true,
        claims: open.session.claims,
        ref: open.session.ref,
        created_at: open.session.createdAt,
        idle_expires_at: sessions.idleEndsAt(open, slides),
        expires_at: open.session.endsAt,
      },
      cookies: await sessions.cookies(open, cookies, slides),
    })
  }
}

function signedOutIfRequired(error: unknown): { open: undefined; cookies: ReadonlyMap<string, string> } {
  if (error instanceof CoatcheckError && error.code === 'login_required') return { open: undefined, cookies: new Map() }
  throw error
}
