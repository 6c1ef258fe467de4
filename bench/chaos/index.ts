/**
 * Users at work while things go wrong: Coatcheck as separate processes, a real oidc-provider with rotation and reuse
 * detection, a real Redis, all on loopback. Prints a row for each store and fault.
 *
 *     npm run chaos                    everything, some minutes
 *     npm run chaos -- --short         under a minute
 *     npm run chaos -- --json          the last line is one JSON object
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startProvider } from '../../spa-example/provider/index.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startRedis } from '../../test/support/redis.ts'
import { startUpstream } from '../../test/support/upstream.ts'
import type { AppOptions } from './app.ts'
import { startProcesses } from './processes.ts'
import type { Row } from './row.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { signInUser, type Tally } from './users.ts'

const accessTokenSeconds = 3
const isShort = process.argv.includes('--short')
const isJson = process.argv.includes('--json')
const users = isShort ? 4 : 10
const workMs = isShort ? 3500 : 9000

async function run(scenario: Scenario, store: AppOptions['store']): Promise<Row> {
  const count = store === 'memory' ? 1 : 3
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()))
  const origin = `http://localhost:${ports[0]}`
  const provider = await startProvider({
    appOrigin: origin,
    accessTokenSeconds,
    gracePeriodSeconds: scenario.gracePeriodSeconds ?? 0,
  })
  const upstream = await startUpstream()
  const redis = store === 'redis' ? await startRedis() : undefined
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-chaos-'))
  const secrets = [randomBytes(32).toString('base64url')]
  const options = {
    store,
    baseUrl: origin,
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    secrets,
    upstream: upstream.origin,
    sqliteFile: path.join(folder, 'ledger.sqlite'),
    redisUrl: redis?.url,
    clockSkewMs: 0,
  }
  const processes = await startProcesses(options, ports)
  try {
    if (scenario.clockSkewMs !== undefined) {
      await processes.terminate(1)
      await processes.start(1, { clockSkewMs: scenario.clockSkewMs })
    }
    const drained = new Set<number>()
    const site = { origin, ports: () => ports.filter((port) => !drained.has(port)) }
    const tally: Tally = { calls: 0, serverErrors: 0, unanswered: 0, refused: 0 }
    const random = seeded(`${store} ${scenario.fault}`)
    const people = []
    for (let index = 0; index < users; index += 1) people.push(await signInUser(site, tally, random))
    provider.token.forget()

    const startedAt = performance.now()
    let isInjected = false
    const isOver = () => isInjected && performance.now() - startedAt > workMs
    const injected = delay(500)
      .then(() => scenario.inject({ provider, processes, redis, secrets, drained }))
      // After it, people go on long enough for every token to end once more.
      .then(() => delay(accessTokenSeconds * 1000))
      .finally(() => {
        isInjected = true
      })
    await Promise.all([injected, ...people.map((person) => person.work(isOver))])
    const seconds = (performance.now() - startedAt) / 1000
    const standing = await Promise.all(people.map((person) => person.isSignedIn(15_000)))
    const lost = standing.filter((isStanding) => !isStanding).length
    // One that ended because the answer with its next token was lost: nobody had that token.
    const unsavable = Math.min(lost, processes.events.get('refresh_answer_lost') ?? 0)
    return {
      store,
      fault: scenario.fault,
      processes: count,
      users,
      calls: tally.calls,
      refreshesSent: provider.token.count({ grantType: 'refresh_token' }),
      refreshesNeeded: users * Math.floor(seconds / accessTokenSeconds),
      sessionsLost: lost - unsavable,
      unsavable,
      serverErrors: tally.serverErrors,
      longestPauseMs: Math.max(...people.map((person) => person.longestPauseMs)),
    }
  } finally {
    await processes.stop()
    await redis?.stop()
    await provider.stop()
    await upstream.stop()
    await rm(folder, { recursive: true })
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

const columns = [
  ...(['store', 'fault', 'processes', 'users', 'calls', 'refreshesSent', 'refreshesNeeded'] as const),
  ...(['sessionsLost', 'unsavable', 'serverErrors', 'longestPauseMs'] as const),
]

function line(cells: readonly (string | number)[]): string {
  const widths = columns.map((name) => (name === 'fault' ? 26 : Math.max(8, name.length)))
  return cells
    .map((cell, index) =>
      index < 2 ? String(cell).padEnd(widths[index] ?? 0) : String(cell).padStart(widths[index] ?? 0),
    )
    .join('  ')
}

console.log(line(columns))
const rows: Row[] = []
const shortStores = (scenario: Scenario) => (scenario.fault === 'none' ? scenario.stores : scenario.stores.slice(-1))
for (const scenario of scenarios) {
  if (isShort && !scenario.isShort) continue
  for (const store of isShort ? shortStores(scenario) : scenario.stores) {
    const row = await run(scenario, store)
    rows.push(row)
    console.log(line(columns.map((name) => row[name])))
  }
}
if (isJson) console.log(JSON.stringify({ rows }))
if (rows.some(({ sessionsLost }) => sessionsLost > 0)) process.exitCode = 1
