/**
 * What a call with an opaque token costs once it is known, beside a session's call: slices of one process alternate, and
 * each is compared with its neighbour. Then 500 calls at once with a token that nobody has seen, and how often the
 * authorization server is asked about it.
 *
 *     npm run bench:phantom
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { apiResource, partnerResource, startProvider } from '../../spa-example/provider/index.ts'
import { UserAgent } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startPhantomIntrospection } from '../../test/support/phantom-introspection.ts'
import { watchProvider } from '../../test/support/provider-log.ts'
import { clientToken } from '../../test/support/tokens.ts'
import { loadOn } from '../gateway/load.ts'
import type { PhantomSubject } from './subject.ts'

const rounds = 12
const sliceMs = 500
const burst = 500

const startChild = (file: string, env: Record<string, string>): ChildProcess =>
  fork(fileURLToPath(new URL(file, import.meta.url)), { env: { ...process.env, NODE_NO_WARNINGS: '1', ...env } })

const upstream = startChild('../gateway/upstream.ts', {})
const [upstreamPort] = (await once(upstream, 'message')) as [number]
const port = await freePort()
const baseUrl = `http://localhost:${port}`
const provider = await startProvider({ appOrigin: baseUrl, accessTokenSeconds: 7200 })
const introspection = await startPhantomIntrospection(apiResource)
const introspectedPort = await freePort()
const client: PhantomSubject['provider'] = {
  issuer: provider.issuer,
  clientId: provider.clientId,
  clientSecret: provider.clientSecret,
  scope: 'openid offline_access orders:read',
  resource: apiResource,
  // So that nothing is asked for while it is measured.
  introspection: { cacheTime: '1h' },
}
const options: PhantomSubject = {
  port,
  baseUrl,
  upstream: `http://127.0.0.1:${upstreamPort}`,
  secret: randomBytes(32).toString('base64url'),
  provider: client,
  introspected: {
    port: introspectedPort,
    baseUrl: `http://localhost:${introspectedPort}`,
    provider: { ...client, ...introspection.beside(provider, apiResource) },
  },
}
const subject = startChild('./subject.ts', { BENCH_SUBJECT: JSON.stringify(options) })

async function cpuMicros(): Promise<number> {
  subject.send('usage')
  const [micros] = (await once(subject, 'message')) as [number]
  return micros
}

await cpuMicros()
const browser = new UserAgent()
await browser.signIn(`${baseUrl}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
const cookie = browser.cookies.header(new URL(baseUrl), { isSameSite: true, isSafeNavigation: false }) ?? ''
const newToken = () => clientToken(provider, { resource: partnerResource, scope: 'orders:read' })
const withToken = { authorization: `Bearer ${await newToken()}` }
const listener = (onPort: number) => ({ host: `localhost:${onPort}`, load: loadOn(onPort) })
const [main, introspected] = [listener(port), listener(introspectedPort)]
const kinds = {
  session: { ...main, path: '/api/200', headers: { cookie, 'x-csrf': '1' } },
  'phantom, introspected': { ...introspected, path: '/introspected/200', headers: withToken },
  'phantom, exchanged': { ...main, path: '/exchanged/200', headers: withToken },
  'phantom, no token': { ...main, path: '/plain/200', headers: withToken },
}

/** As it goes on the wire. */
function requestOf({ host, path, headers }: (typeof kinds)[keyof typeof kinds]): string {
  const fields = Object.entries({ host, accept: 'application/json', ...headers })
  return `GET ${path} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

const log = watchProvider(provider)
const costs = new Map<string, number[]>()
for (let round = -1; round < rounds; round++) {
  for (const [name, kind] of Object.entries(kinds)) {
    const before = await cpuMicros()
    const { requests } = await kind.load.slice(sliceMs, () => requestOf(kind))
    // The first round warms up.
    if (round >= 0) costs.set(name, [...(costs.get(name) ?? []), ((await cpuMicros()) - before) / requests])
  }
}
const median = (values: readonly number[]) =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN
const sessions = costs.get('session') ?? []
for (const [name, cost] of costs) {
  const ratio = median(cost.map((micros, index) => micros / (sessions[index] ?? Number.NaN)))
  console.log(
    `${name.padEnd(21)} ${median(cost).toFixed(1).padStart(7)} µs of CPU a call, ${ratio.toFixed(2)}× a session's`,
  )
}

log.clear()
const fresh = await newToken()
log.clear()
const statuses = await Promise.all(
  Array.from({ length: burst }, () =>
    fetch(`${baseUrl}/exchanged/200`, { headers: { authorization: `Bearer ${fresh}` } }).then(({ status }) => status),
  ),
)
const asked = (request: string) => log.requests.filter((one) => one === request).length
console.log(
  `${burst} calls at once with a new token: ${statuses.filter((status) => status === 200).length} answered, ` +
    `${asked('POST /token/introspection')} introspection, ${asked('POST /token')} exchange`,
)

log.stop()
main.load.close()
introspected.load.close()
for (const child of [subject, upstream]) child.kill('SIGKILL')
await Promise.all([provider.stop(), introspection.stop()])
