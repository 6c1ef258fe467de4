/**
 * What a call costs, side by side in one run: each way to forward calls is a process of its own on one core, the load
 * and the upstream on the other. Slices of a second alternate, and each is compared with its neighbour of raw Node:
 * a noisy machine moves the figures of both.
 *
 *     npm run bench                    bodies of 200 B, 10 KB and 1 MB
 *     npm run bench -- --short         200 B only, under five minutes
 *     npm run bench -- --json          the last line is one JSON object
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { sealData } from 'iron-session'
import { startProvider } from '../../spa-example/provider/index.ts'
import { sessionCookieName } from '../../src/session/cookie-names.ts'
import { sealer } from '../../src/session/seal.ts'
import { openSessionSeal, sealSession } from '../../src/session/session-seal.ts'
import { UserAgent } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startRedis } from '../../test/support/redis.ts'
import { loadOn, type Slice } from './load.ts'
import { obviousPassword } from './obvious.ts'
import type { Row } from './row.ts'
import type { SubjectOptions } from './subject.ts'

const isShort = process.argv.includes('--short')
const isJson = process.argv.includes('--json')
const sizes = isShort ? [200] : [200, 10 * 1024, 1024 * 1024]
const slices = 25
const sliceMs = 1000
const names = [
  ...['raw-node', 'coatcheck-warm', 'coatcheck-sqlite-warm', 'coatcheck-redis-warm'],
  ...['coatcheck-cold', 'coatcheck-none', 'hono-proxy-iron-session'],
] as const
type Name = (typeof names)[number]

/** More than the subject remembers, so that none of them is known when its turn comes again. */
const coldSeals = 15_000

interface Usage {
  cpuMicros: number
  rssBytes: number
}

interface Subject {
  readonly load: ReturnType<typeof loadOn>
  readonly child: ChildProcess
  readonly path: (size: number) => string
  readonly nextHeaders: () => Record<string, string>
}

const hasTaskset = spawnSync('taskset', ['-p', String(process.pid)]).status === 0

function startChild(file: string, env: Record<string, string>, core: number): ChildProcess {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
  })
  if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(child.pid)])
  return child
}

async function usageOf(child: ChildProcess): Promise<Usage> {
  child.send('usage')
  const [usage] = (await once(child, 'message')) as [Usage]
  return usage
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)])
const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-bench-'))
const redis = await startRedis()
const upstream = startChild('./upstream.ts', {}, 1)
const [upstreamPort] = (await once(upstream, 'message')) as [number]
const ports = new Map<Name, number>()
for (const name of names) ports.set(name, await freePort())
const baseUrl = `http://localhost:${ports.get('coatcheck-warm')}`
const provider = await startProvider({ appOrigin: baseUrl, accessTokenSeconds: 7200 })
const secret = randomBytes(32).toString('base64url')

async function startSubject(name: Name): Promise<ChildProcess> {
  const options: SubjectOptions = {
    name,
    port: ports.get(name) as number,
    baseUrl,
    upstream: `http://127.0.0.1:${upstreamPort}`,
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    secret,
    sqliteFile: path.join(folder, 'ledger.sqlite'),
    redisUrl: redis.url,
  }
  const child = startChild('./subject.ts', { BENCH_SUBJECT: JSON.stringify(options) }, 0)
  await once(child, 'message')
  return child
}

const children = new Map<Name, ChildProcess>()
for (const name of names) children.set(name, await startSubject(name))

const browser = new UserAgent()
await browser.signIn(`${baseUrl}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
const cookie = browser.cookies.header(new URL(baseUrl), { isSameSite: true, isSafeNavigation: false }) ?? ''
const seal =
  cookie
    .split('; ')
    .find((pair) => pair.startsWith(`${sessionCookieName}=`))
    ?.slice(sessionCookieName.length + 1) ?? ''

/** The same session, sealed anew so often. */
async function manySeals(): Promise<string[]> {
  const seals = sealer([secret], 'session', { origin: baseUrl, issuer: provider.issuer, clientId: provider.clientId })
  const presented = await openSessionSeal(seals, seal)
  if (!presented) throw new Error('the sign-in gave no session cookie')
  const all: string[] = []
  for (let count = 0; count < coldSeals; count += 1) all.push(await sealSession(seals, presented))
  return all
}

const common = {
  host: new URL(baseUrl).host,
  'x-csrf': '1',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
  accept: 'application/json',
  'accept-language': 'en-GB,en;q=0.9',
  'user-agent': 'Mozilla/5.0 (bench)',
}
const cold = await manySeals()
let nextCold = 0
const obviousCookie = `session=${await sealData({ accessToken: 't'.repeat(700) }, { password: obviousPassword })}`
const headersOf = (name: Name): (() => Record<string, string>) => {
  const fixed = { ...common, cookie: name === 'hono-proxy-iron-session' ? obviousCookie : cookie }
  if (name !== 'coatcheck-cold') return () => fixed
  return () => {
    nextCold = (nextCold + 1) % cold.length
    return { ...common, cookie: `${sessionCookieName}=${cold[nextCold]}` }
  }
}
const subjects = new Map<Name, Subject>()
for (const name of names) {
  subjects.set(name, {
    load: loadOn(ports.get(name) as number),
    child: children.get(name) as ChildProcess,
    path: (size) => (name === 'coatcheck-none' ? `/public/${size}` : `/api/${size}`),
    nextHeaders: headersOf(name),
  })
}

interface Measured {
  cpu: number[]
  ratios: number[]
  rates: number[]
  latencies: number[]
  rssBytes: number
}

async function measure(subject: Subject, size: number): Promise<{ slice: Slice; cpu: number; rssBytes: number }> {
  const before = await usageOf(subject.child)
  const slice = await subject.load.slice(sliceMs, subject.path(size), subject.nextHeaders)
  const after = await usageOf(subject.child)
  return { slice, cpu: (after.cpuMicros - before.cpuMicros) / slice.requests, rssBytes: after.rssBytes }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

const round = (value: number, digits: number) => Number(value.toFixed(digits))

function toRow(name: Name, bodyBytes: number, { cpu, ratios, rates, latencies, rssBytes }: Measured): Row {
  return {
    name,
    bodyBytes,
    requestsPerSecond: Math.round(quantile(rates, 0.5)),
    cpuMicrosPerRequest: round(quantile(cpu, 0.5), 1),
    ratioToRaw: {
      median: round(quantile(ratios, 0.5), 3),
      p10: round(quantile(ratios, 0.1), 3),
      p90: round(quantile(ratios, 0.9), 3),
    },
    p50Ms: round(quantile(latencies, 0.5), 2),
    p99Ms: round(quantile(latencies, 0.99), 2),
    p999Ms: round(quantile(latencies, 0.999), 2),
    rssMiB: Math.round(rssBytes / 1024 / 1024),
  }
}

const rows: Row[] = []
console.log('name                       bytes    req/s   CPU us   to raw (p10-p90)       p50 ms  p99 ms  p99.9 ms  MiB')
try {
  for (const size of sizes) {
    const measured = new Map<Name, Measured>()
    for (const name of names) {
      measured.set(name, { cpu: [], ratios: [], rates: [], latencies: [], rssBytes: 0 })
      // Compiled and connected before it counts.
      await measure(subjects.get(name) as Subject, size)
    }
    for (let round = 0; round < slices; round += 1) {
      let raw = Number.NaN
      for (const name of names) {
        const { slice, cpu, rssBytes } = await measure(subjects.get(name) as Subject, size)
        if (name === 'raw-node') raw = cpu
        const of = measured.get(name) as Measured
        of.cpu.push(cpu)
        of.ratios.push(cpu / raw)
        of.rates.push(slice.requests / slice.seconds)
        for (const latency of slice.latenciesMs) of.latencies.push(latency)
        of.rssBytes = rssBytes
      }
    }
    for (const name of names) {
      const row = toRow(name, size, measured.get(name) as Measured)
      rows.push(row)
      const { median, p10, p90 } = row.ratioToRaw
      console.log(
        [
          name.padEnd(24),
          String(size).padStart(7),
          String(row.requestsPerSecond).padStart(8),
          row.cpuMicrosPerRequest.toFixed(1).padStart(8),
          `  ${median.toFixed(2)} (${p10.toFixed(2)}-${p90.toFixed(2)})`.padEnd(22),
          row.p50Ms.toFixed(2).padStart(7),
          row.p99Ms.toFixed(2).padStart(7),
          row.p999Ms.toFixed(2).padStart(9),
          String(row.rssMiB).padStart(4),
        ].join(' '),
      )
    }
  }
  if (isJson) console.log(JSON.stringify({ rows }))
} finally {
  for (const { load, child } of subjects.values()) {
    await load.close()
    await end(child)
  }
  await end(upstream)
  await provider.stop()
  await redis.stop()
  await rm(folder, { recursive: true })
}
