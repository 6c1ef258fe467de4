/** `GET /bff/session`: who is signed in, as far as the page may know. Never a token. */
import type { Context, Handler } from 'hono'
import { CoatcheckError } from '../errors.ts'
import type { BffEnv, Services } from '../services.ts'
import { openForPage } from './open-for-page.ts'

export function session(services: Services): Handler<BffEnv> {
  const { sessions, reply } = services
  return async (c) => {
    const slides = new URLSearchParams(c.get('target').query).get('slide') !== 'false'
    const { open, cookies } = await openFresh(services, c, slides).catch(signedOutIfRequired)
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

/**
 * Where the server ends refresh tokens that are not used, a page that stays has to use its own: sliding the cookie alone
 * would promise a time that the server does not give (BFF-10).
 */
async function openFresh(services: Services, c: Context, slides: boolean): ReturnType<typeof openForPage> {
  const found = await openForPage(services, c)
  if (!slides || found.open?.session.tokens.refreshTokenExpiresAt === undefined) return found
  try {
    await services.sessions.refresh(found.open, (work) => services.runtime.waitUntil(c, work))
  } catch (error) {
    // That the server cannot be reached now does not end it.
    if (!(error instanceof CoatcheckError) || error.code === 'login_required') throw error
  }
  return found
}

function signedOutIfRequired(error: unknown): { open: undefined; cookies: ReadonlyMap<string, string> } {
  if (error instanceof CoatcheckError && error.code === 'login_required') return { open: undefined, cookies: new Map() }
  throw error
}
