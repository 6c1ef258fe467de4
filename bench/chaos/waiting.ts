/**
 * What it costs to be one of 500 calls that wait for one refresh: beside the same burst with a live token. A process of its
 * own, because it is the load and the API as well: what it did before would be measured too. Exits with 1 where a burst cost
 * more or fewer than one token request, or the median call more than it may.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { UserAgent } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import { endChild, startProcesses } from './processes.ts'
import type { Asked, Reached, WaitingProvider } from './waiting-provider.ts'

const calls = 500
const bursts = 9
/** Before them, for the compiler: the first bursts of a process take several times as long as those after. */
const warmUpBursts = 3
const accessTokenSeconds = 3
/** How far the provider is. */
const providerMs = 50
/**
 * Longer than from one burst to the next: whoever comes after the pause would else open its connections anew, and the burst
 * that it is compared with would not.
 */
const keepAliveSeconds = 60
/** More than one round trip to the provider, at the median. */
const mostOverMs = 20

interface Waiting {
  /** Of each burst. */
  readonly tokenRequests: readonly number[]
  readonly roundTripsMs: readonly number[]
  /** The median call's time, less that of the same burst with a live token, and less the round trip. */
  readonly overMs: readonly number[]
}

async function measureWaiting(): Promise<Waiting> {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = await startProviderAway({ appOrigin: origin, accessTokenSeconds, awayMs: providerMs })
  const upstream = await startUpstream()
  upstream.on(
    '/orders',
    (_incoming, outgoing) => void outgoing.setHeader('Keep-Alive', `timeout=${keepAliveSeconds}`).end('{}'),
  )
  const { issuer, clientId, clientSecret } = provider
  const processes = await startProcesses(
    {
      place: 'memory',
      cookie: 'ticket',
      baseUrl: origin,
      provider: { issuer, clientId, clientSecret, scope: 'openid offline_access orders:read', timeout: '2s' },
      secrets: ['pXkEQb7tXoRk3wkLxZC6sH8kIVbHhXbJ7sYvYhJ2m0U'],
      upstream: upstream.origin,
      sqliteFile: '',
      redisUrl: undefined,
      clockSkewMs: 0,
    },
    [port],
  )
  const dispatcher = new Agent({ connections: calls, pipelining: 1, keepAliveTimeout: keepAliveSeconds * 1000 })
  try {
    const browser = new UserAgent()
    await browser.signIn(`${origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
    const headers = { 'x-csrf': '1', 'sec-fetch-site': 'same-origin', cookie: browser.cookies.header(origin) ?? '' }
    const burst = async () => {
      const times = Array.from({ length: calls }, async () => {
        const began = performance.now()
        const answer = await request(`${origin}/api/orders`, { headers, dispatcher })
        await answer.body.dump()
        if (answer.statusCode !== 200) throw new Error(`A call was answered ${answer.statusCode}`)
        return performance.now() - began
      })
      return median(await Promise.all(times))
    }
    for (let round = 0; round < warmUpBursts; round += 1) await burst()

    const overMs: number[] = []
    const roundTripsMs: number[] = []
    const tokenRequests: number[] = []
    for (let round = 0; round < bursts; round += 1) {
      await delay(accessTokenSeconds * 1000)
      await provider.hold()
      const waited = await burst()
      const live = await burst()
      const asked = await provider.report()
      tokenRequests.push(asked.tokenRequests)
      roundTripsMs.push(asked.roundTripMs)
      overMs.push(waited - live - asked.roundTripMs)
    }
    return { tokenRequests, roundTripsMs, overMs }
  } finally {
    await dispatcher.close()
    await processes.stop()
    await provider.stop()
    await upstream.stop()
  }
}

async function startProviderAway(options: WaitingProvider) {
  const child = fork(fileURLToPath(new URL('./waiting-provider.ts', import.meta.url)), {
    env: { ...process.env, WAITING_PROVIDER: JSON.stringify(options), NODE_NO_WARNINGS: '1' },
  })
  const [reached] = (await once(child, 'message')) as [Reached]
  const ask = async (word: 'hold' | 'report') => {
    child.send(word)
    const [answer] = await once(child, 'message')
    return answer
  }
  return {
    ...reached,
    hold: () => ask('hold'),
    report: (): Promise<Asked> => ask('report'),
    stop: () => endChild(child, 'SIGTERM'),
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
}

const { tokenRequests, roundTripsMs, overMs } = await measureWaiting()
const overMedianMs = median(overMs)
console.log(
  [
    `${calls} calls that wait for one refresh, ${bursts} times: at most ${Math.max(...tokenRequests)} token request,`,
    `which took ${Math.round(median(roundTripsMs))} ms at the provider. Their median is that and`,
    `${overMedianMs.toFixed(1)} ms more than of the same burst with a live token (median; ${overMs.map((ms) => ms.toFixed(0)).join(', ')}).`,
  ].join(' '),
)
const missed = [
  ...(tokenRequests.some((count) => count !== 1) ? [`token requests: ${tokenRequests.join(', ')}, needed: 1`] : []),
  ...(overMedianMs > mostOverMs ? [`over one round trip: ${overMedianMs.toFixed(1)} ms, at most: ${mostOverMs}`] : []),
]
for (const target of missed) console.error(`${calls} calls that wait: ${target}`)
if (missed.length > 0) process.exitCode = 1
