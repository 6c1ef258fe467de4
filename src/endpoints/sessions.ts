/** `/bff/sessions`: the person's own sessions, seen and ended (ASVS 7.5.2). There only where the store knows them all. */
import type { Handler } from 'hono'
import { CoatcheckError } from '../errors.ts'
import type { BffEnv, Services } from '../services.ts'
import type { OwnSessions } from '../session/own-sessions.ts'
import type { Session } from '../session/session.ts'
import type { OpenSession } from '../session/sessions.ts'
import { openForPage } from './open-for-page.ts'

/** Whoever finds a browser open must not end the others' sessions: how long ago the person proved who they are. */
const recentSeconds = 300
/** Against a provider's clock that is ahead, as for the ID token. */
const clockToleranceSeconds = 60
/** What to ask the provider for: less, so that the way back and the next click fit in. */
const askedMaxAgeSeconds = 60

/** `GET /bff/sessions` */
export function listSessions(services: Services, own: OwnSessions): Handler<BffEnv> {
  const { sessions, reply } = services
  return async (c) => {
    const { open, cookies } = await openForPage(services, c)
    const { sessions: all, hasMore } = await own.list(signedIn(services, open).session)
    return reply({
      status: 200,
      json: {
        sessions: all.map(({ id, createdAt, lastSeenAt, device, isCurrent }) => ({
          id,
          created_at: createdAt,
          last_seen_at: lastSeenAt,
          device,
          current: isCurrent,
        })),
        more: hasMore,
      },
      cookies: await sessions.cookies(signedIn(services, open), cookies, true),
    })
  }
}

/** `DELETE /bff/sessions/ID`. This one is for `POST /bff/logout`, which also knows where the browser goes on. */
export function endSession(services: Services, own: OwnSessions): Handler<BffEnv> {
  return async (c) => {
    const session = await recentlySignedIn(services, c)
    const result = await own.end(session, c.req.param('id') ?? '')
    if (result === 'unknown') throw new CoatcheckError('session_not_found')
    if (result === 'current') throw new CoatcheckError('invalid_request', { members: { check: 'current' } })
    return services.reply({ status: 204 })
  }
}

/** `DELETE /bff/sessions?except=current`: the parameter says that it was meant. */
export function endOtherSessions(services: Services, own: OwnSessions): Handler<BffEnv> {
  return async (c) => {
    const { query } = c.get('target')
    if (query !== '?except=current' && query !== 'except=current') {
      throw new CoatcheckError('invalid_request', { members: { parameter: 'except' } })
    }
    const { ended, hasMore } = await own.endOthers(await recentlySignedIn(services, c))
    return services.reply({ status: 200, json: { ended, more: hasMore } })
  }
}

async function recentlySignedIn(services: Services, c: Parameters<Handler<BffEnv>>[0]): Promise<Session> {
  const { session } = signedIn(services, (await openForPage(services, c)).open)
  const { authenticatedAt } = session
  const age = services.runtime.clock.now() / 1000 - (authenticatedAt ?? 0)
  // One from tomorrow, or in milliseconds, would be recent for ever.
  if (authenticatedAt !== undefined && age <= recentSeconds && age >= -clockToleranceSeconds) return session
  throw new CoatcheckError('step_up_required', {
    members: { max_age: askedMaxAgeSeconds, login_url: `${services.config.basePath}/login` },
  })
}

function signedIn({ config, sessions }: Services, open: OpenSession | undefined): OpenSession {
  if (open && sessions.isUsable(open)) return open
  throw new CoatcheckError('login_required', { members: { login_url: `${config.basePath}/login` } })
}
