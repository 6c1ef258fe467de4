/**
 * The whole demo, each part on a port of its own: an OpenID Provider, an API, and Coatcheck with the app.
 *
 *     npm start                the app as it was built
 *     npm run dev              the app from Vite, with hot reload
 *     npm run dev:workers      the app as it was built, on workerd
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { sqliteStore, startServer } from '../src/node/index.ts'
import { loadConfig } from '../src/node/load-config.ts'
import { startApi } from './api/index.ts'
import { buildPages } from './build-pages.ts'
import { apiResource, demoAccounts, startProvider } from './provider/index.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const isDevelopment = process.argv.includes('--dev')
const isOnWorkers = process.argv.includes('--workers')
const appPort = wholeNumber('PORT', 3000)
const appOrigin = `http://localhost:${appPort}`

let isStopping = false
const running: { close(): Promise<unknown> }[] = []

try {
  await main()
} catch (error) {
  const isPortTaken = error instanceof Error && (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
  if (!isPortTaken) throw error
  // What Coatcheck would have done is for a configuration of one's own.
  const { message } = error.cause instanceof Error ? error.cause : error
  console.error(`${message}\nSomething else listens there. Set PORT, PROVIDER_PORT or API_PORT to another one.`)
  process.exitCode = 1
  await stop()
}

async function main(): Promise<void> {
  if (isDevelopment && isOnWorkers) throw new Error('--dev and --workers: Vite stands behind the app on Node only')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void stop())
  if (process.env.npm_lifecycle_event) stopWithParent()
  const startedAt = performance.now()
  const accessTokenSeconds = wholeNumber('ACCESS_TOKEN_SECONDS', 60)
  const provider = await startProvider({
    appOrigin,
    port: wholeNumber('PROVIDER_PORT', 4000),
    accessTokenSeconds,
  })
  running.push({ close: () => provider.stop() })
  const api = await startApi({
    port: wholeNumber('API_PORT', 4001),
    issuer: provider.issuer,
    audience: apiResource,
  })
  running.push({ close: () => api.stop() })

  const env = {
    BASE_URL: appOrigin,
    ISSUER: provider.issuer,
    CLIENT_ID: provider.clientId,
    CLIENT_SECRET: provider.clientSecret,
    SESSION_SECRET: randomBytes(32).toString('base64url'),
    API_URL: api.url,
    // On Workers the pages come by a binding (wrangler.toml).
    ...(!isOnWorkers && { SPA_DIR: here('dist') }),
    ...(isDevelopment && { VITE_URL: await startVite() }),
    ...(process.env.IDLE_TIMEOUT && { IDLE_TIMEOUT: process.env.IDLE_TIMEOUT }),
  }
  if (!isDevelopment) await buildPages()
  running.push(await (isOnWorkers ? startOnWorkers(env) : startOnNode(env)))
  if (isStopping) return stop()
  console.log(banner(provider.issuer, api.url, accessTokenSeconds, Math.round(performance.now() - startedAt)))
}

async function startOnNode(env: Record<string, string>) {
  const config = await loadConfig(here('coatcheck.config.mts'), env)
  // The demo's secret is new at each start, so nothing that is kept opens after it.
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-demo-'))
  const store = sqliteStore({ file: path.join(folder, 'sessions.sqlite') })
  running.push({
    async close() {
      await store.coordinator.close()
      await rm(folder, { recursive: true, force: true })
    },
  })
  return startServer({ ...config, session: { ...config.session, store } }, { host: 'localhost', port: appPort })
}

async function startOnWorkers(env: Record<string, string>) {
  const { startWranglerDev } = await import('./workers/wrangler-dev.ts')
  const app = await startWranglerDev({ port: appPort, env })
  // The configuration is read with the first request there.
  const answer = await fetch(`${appOrigin}/bff/session`, { headers: { 'X-CSRF': '1' } })
  if (answer.ok) return app
  await app.close()
  throw new Error(`The app does not answer as it should: ${answer.status}`)
}

async function startVite(): Promise<string> {
  const { createServer } = await import('vite')
  const vite = await createServer({ root: here('.'), configFile: here('vite.config.ts') })
  await vite.listen()
  running.push(vite)
  return vite.resolvedUrls?.local[0]?.replace(/\/$/, '') ?? 'http://localhost:5173'
}

/** A signal to npm alone ends its shell, which does not pass it on. */
function stopWithParent(): void {
  const { ppid } = process
  const watch = setInterval(() => {
    if (process.ppid === ppid) return
    clearInterval(watch)
    void stop()
  }, 250)
  watch.unref()
}

function wholeNumber(name: string, usual: number): number {
  const written = process.env[name]
  if (!written) return usual
  if (/^\d{1,5}$/.test(written)) return Number(written)
  console.error(`${name} has to be a whole number, such as ${usual}.`)
  process.exit(1)
}

async function stop(): Promise<void> {
  isStopping = true
  const limit = setTimeout(() => process.exit(1), 3000)
  limit.unref()
  // What answers first ends first.
  for (const part of running.splice(0).reverse()) await part.close()
}

function banner(issuer: string, apiUrl: string, accessTokenSeconds: number, ms: number): string {
  const users = demoAccounts.map(({ username, password }) => `${username} / ${password}`).join('   or   ')
  return `
  Coatcheck demo, ready in ${ms} ms

  App       ${appOrigin}${isDevelopment ? '   (Vite, hot reload)' : isOnWorkers ? '   (on workerd)' : ''}
  Provider  ${issuer}   (another site: redirects are truly cross-site)
  API       ${apiUrl}   (takes bearer JWTs only)

  Sign in as  ${users}

  Access tokens live for ${accessTokenSeconds} s. Ctrl-C stops everything.
`
}
