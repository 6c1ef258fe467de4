/** One row: a store, a fault, and people at work. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startHandler as startWorker } from '../../test/support/handler-on-workers.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import type { AppOptions } from './app.ts'
import { endChild, forkReady, type Processes, startProcesses } from './processes.ts'
import { type RedisPlace, startRedisPlace } from './redis-place.ts'
import { countRefreshes, grantOf, grantsOfLostAnswers, isAnswerLost, mayHaveDiedWithHolder } from './refresh-count.ts'
import type { Finding } from './row.ts'
import { leaseMs, type Scenario, type StoreName } from './scenarios.ts'
import { type NewestToken, type Site, signInUser, type Tally, type User } from './users.ts'

export interface Shape {
  readonly users: number
  readonly accessTokenSeconds: number
}

const scope = 'openid offline_access profile email orders:read orders:write'
const beforeFaultMs = 500
const standingLimitMs = 20_000
const longestLastWaitMs = 10_000

export async function runRow(scenario: Scenario, store: StoreName, shape: Shape): Promise<Finding> {
  const { fault, killsHolder = false, losesData = false, gracePeriodSeconds = 0 } = scenario
  const { users } = shape
  const accessTokenSeconds = scenario.accessTokenSeconds ?? shape.accessTokenSeconds
  const place = await startPlace(scenario, store, accessTokenSeconds)
  const { site, provider, processes } = place
  try {
    if (scenario.clockSkewMs !== undefined) {
      await processes?.terminate(1)
      await processes?.start(1, { clockSkewMs: scenario.clockSkewMs })
    }
    const tally: Tally = { calls: 0, serverErrors: 0, errorsWithLiveToken: 0, unanswered: 0 }
    const random = seeded(`${store} ${fault}`)
    const newest = newestTokens(provider, accessTokenSeconds * 1000)
    const people: { user: User; grant: string }[] = []
    for (let index = 0; index < users; index += 1) {
      let grant = ''
      const user = await signInUser(site, tally, random, () => newest(grant))
      grant =
        provider.token.requests.findLast((one) => one.grantType === 'authorization_code')?.issuedRefreshToken ?? ''
      people.push({ user, grant })
    }

    let isInjected = false
    const deaths: number[] = []
    const noteDeath = () => void deaths.push(Date.now())
    const injected = delay(beforeFaultMs)
      .then(() => scenario.inject({ ...place, accessTokenSeconds, noteDeath }))
      // After it, people go on long enough for every token to end once more, and for a lease to lapse.
      .then(() => delay(Math.max(accessTokenSeconds * 1000, killsHolder ? leaseMs : 0) * 1.25))
      .finally(() => {
        isInjected = true
      })
    await Promise.all([injected, ...people.map(({ user }) => user.work(() => isInjected))])
    // No token of before lives any more: who stands has one that was refreshed.
    await delay(Math.min(accessTokenSeconds * 1000, longestLastWaitMs))
    const limitMs = isPeer(store) ? accessTokenSeconds * 1000 : standingLimitMs
    const standing = await Promise.all(people.map(({ user }) => user.isSignedIn(limitMs)))

    const { requests } = provider.token
    const lostAnswers = grantsOfLostAnswers(
      requests,
      (request) => isAnswerLost(request) || deaths.some((diedAt) => mayHaveDiedWithHolder(request, diedAt)),
    )
    const lost = people.filter((_, index) => !standing[index])
    const unsavable = lost.filter(({ grant }) => lostAnswers.has(grant)).length
    const longestPauseMs = Math.max(...people.map(({ user }) => user.longestPauseMs))
    const { sent, needed } = countRefreshes(requests, accessTokenSeconds * 1000)
    return {
      row: {
        store,
        fault,
        processes: place.site.ports().length,
        users,
        calls: tally.calls,
        refreshesSent: sent,
        refreshesNeeded: needed,
        sessionsLost: lost.length - unsavable,
        unsavable,
        serverErrors: tally.serverErrors,
        longestPauseMs,
      },
      errorsWithLiveToken: tally.errorsWithLiveToken,
      unanswered: tally.unanswered,
      sentTooLate: place.api.endedFor.filter((ms) => ms > longestPauseMs).length,
      signedOutMeanwhile: people
        .filter((_, index) => standing[index])
        .reduce((sum, { user }) => sum + user.signedOut, 0),
      gracePeriodSeconds,
      losesData,
    }
  } finally {
    await place.stop()
  }
}

interface Place {
  readonly site: Site
  readonly provider: RunningProvider
  readonly processes: Processes | undefined
  readonly redis: RedisPlace | undefined
  readonly api: Api
  readonly secrets: readonly string[]
  readonly drained: Set<number>
  setAsleep(isAsleep: boolean): void
  stop(): Promise<void>
}

const isPeer = (store: StoreName) => store === 'express-openid-connect'

async function startPlace(scenario: Scenario, store: StoreName, accessTokenSeconds: number): Promise<Place> {
  const count = /sqlite|redis/.test(store) ? 3 : 1
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()))
  const origin = `http://localhost:${ports[0]}`
  const provider = await startProvider({
    appOrigin: origin,
    accessTokenSeconds,
    gracePeriodSeconds: scenario.gracePeriodSeconds ?? 0,
    redirectUris: [`${origin}/bff/callback`, `${origin}/callback`],
  })
  const api = await startApi()
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-chaos-'))
  const isFailedOver = scenario.fault === 'redis-failed-over'
  const redis = store.endsWith('redis') ? await startRedisPlace(folder, isFailedOver) : undefined
  const { issuer, clientId, clientSecret } = provider
  const secrets = [randomBytes(32).toString('base64url')]
  const cookie = store.startsWith('cookie') ? 'session' : 'ticket'
  const options = {
    place: redis ? 'redis' : store.endsWith('memory') ? 'memory' : 'sqlite',
    cookie,
    baseUrl: origin,
    provider: { issuer, clientId, clientSecret, scope, timeout: '2s' },
    secrets,
    upstream: api.origin,
    sqliteFile: path.join(folder, 'sessions.sqlite'),
    redisUrl: redis?.url,
    clockSkewMs: 0,
  } as const
  const app = await startApp(store, options, ports)
  const drained = new Set<number>()
  let isAsleep = false
  return {
    site: {
      origin,
      loginPath: isPeer(store) ? '/login' : '/bff/login?return_to=/',
      isCookieSession: cookie === 'session',
      ports: () => ports.filter((port) => !drained.has(port)),
      isAsleep: () => isAsleep,
    },
    provider,
    api,
    processes: app.processes,
    redis,
    secrets,
    drained,
    setAsleep: (isNowAsleep) => {
      isAsleep = isNowAsleep
    },
    async stop() {
      await app.stop()
      await redis?.stop()
      await provider.stop()
      await api.stop()
      await rm(folder, { recursive: true })
    },
  }
}

async function startApp(
  store: StoreName,
  options: Omit<AppOptions, 'port'>,
  ports: readonly number[],
): Promise<{ processes: Processes | undefined; stop: () => Promise<void> }> {
  const port = ports[0] as number
  if (isPeer(store)) {
    const child = await forkReady('./peer.ts', { CHAOS_APP: JSON.stringify({ ...options, port }) })
    return { processes: undefined, stop: () => endChild(child, 'SIGTERM') }
  }
  if (store.endsWith('durable-object')) {
    const { baseUrl, provider, secrets, upstream, cookie } = options
    const worker = await startWorker(
      {
        baseUrl,
        provider,
        session: { secrets: [...secrets] },
        routes: [{ path: '/api/*', upstream, auth: 'session' }],
        thirdPartyInitiatedLogin: false,
        backChannelLogout: false,
        rateLimits: [],
        listeners: { internal: await freePort() },
        cookie,
      },
      port,
    )
    return { processes: undefined, stop: () => worker.stop() }
  }
  const processes = await startProcesses(options, ports)
  return { processes, stop: () => processes.stop() }
}

interface Api {
  readonly origin: string
  /** Of the calls that came with a token that had ended, whatever became of them: for how long it had. Milliseconds. */
  readonly endedFor: readonly number[]
  stop(): Promise<void>
}

/** An API that takes no token that has ended. */
async function startApi(): Promise<Api> {
  const upstream = await startUpstream()
  const endedFor: number[] = []
  upstream.on('/orders', (incoming, outgoing) => {
    const [, token = ''] = (incoming.headers.authorization ?? '').split(' ')
    const agoMs = Date.now() - (decodeJwt(token).exp ?? 0) * 1000
    if (agoMs < 0) {
      outgoing.end('{}')
      return
    }
    endedFor.push(agoMs)
    outgoing.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
  })
  return {
    origin: upstream.origin,
    endedFor,
    stop: () => upstream.stop(),
  }
}

/** When each person's newest access token was issued, as far as its answer was not lost. */
function newestTokens({ token }: RunningProvider, lifeMs: number): (grant: string) => ReturnType<NewestToken> {
  return (grant) => {
    const isOf = grantOf(token.requests)
    const newest = token.requests.findLast(
      (one) =>
        one.issuedRefreshToken !== undefined &&
        one.endedAt < Number.POSITIVE_INFINITY &&
        !isAnswerLost(one) &&
        isOf(one.issuedRefreshToken) === grant,
    )
    return { issuedAt: newest?.endedAt ?? 0, lifeMs }
  }
}

/** The same choices in each run (mulberry32). */
function seeded(text: string): () => number {
  let state = [...text].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 0x01000193), 0x811c9dc5)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
