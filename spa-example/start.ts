/**
 * The whole demo, each part on a port of its own: an OpenID Provider, an API, and Coatcheck with the app.
 *
 *     npm start                the app as it was built
 *     npm run dev              the app from Vite, with hot reload
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startServer } from '../src/node/index.ts'
import { loadConfig } from '../src/node/load-config.ts'
import { startApi } from './api/index.ts'
import { apiResource, demoAccounts, startProvider } from './provider/index.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const isDevelopment = process.argv.includes('--dev')
const appPort = Number(process.env.PORT ?? 3000)
const appOrigin = `http://localhost:${appPort}`

const running: { close(): Promise<unknown> }[] = []

try {
  await main()
} catch (error) {
  const isPortTaken = error instanceof Error && (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
  if (!isPortTaken) throw error
  console.error(`${error.message}\nSomething else listens there. Set PORT, PROVIDER_PORT or API_PORT to another one.`)
  process.exitCode = 1
  await stop()
}

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop())
  const startedAt = performance.now()
  const provider = await startProvider({ appOrigin, port: Number(process.env.PROVIDER_PORT ?? 4000) })
  running.push({ close: () => provider.stop() })
  const api = await startApi({
    port: Number(process.env.API_PORT ?? 4001),
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
    SPA_DIR: here('dist'),
    ...(isDevelopment && { VITE_URL: await startVite() }),
    ...(process.env.IDLE_TIMEOUT && { IDLE_TIMEOUT: process.env.IDLE_TIMEOUT }),
  }
  if (!isDevelopment) await buildPages()
  running.push(
    await startServer(await loadConfig(here('coatcheck.config.mts'), env), { host: 'localhost', port: appPort }),
  )
  console.log(banner(provider.issuer, api.url, Math.round(performance.now() - startedAt)))
}

async function startVite(): Promise<string> {
  const { createServer } = await import('vite')
  const vite = await createServer({ root: here('.'), configFile: here('vite.config.ts') })
  await vite.listen()
  running.push(vite)
  return vite.resolvedUrls?.local[0]?.replace(/\/$/, '') ?? 'http://localhost:5173'
}

/** Built once; `npm run build:spa` builds anew. */
async function buildPages(): Promise<void> {
  if (existsSync(here('dist/index.html')) && !process.env.REBUILD) return
  const { build } = await import('vite')
  await build({ root: here('.'), configFile: here('vite.config.ts'), logLevel: 'warn' })
}

async function stop(): Promise<void> {
  const limit = setTimeout(() => process.exit(1), 3000)
  limit.unref()
  // What answers first ends first.
  for (const part of running.splice(0).reverse()) await part.close()
}

function banner(issuer: string, apiUrl: string, ms: number): string {
  const users = demoAccounts.map(({ username, password }) => `${username} / ${password}`).join('   or   ')
  return `
  Coatcheck demo, ready in ${ms} ms

  App       ${appOrigin}${isDevelopment ? '   (Vite, hot reload)' : ''}
  Provider  ${issuer}   (another site: redirects are truly cross-site)
  API       ${apiUrl}   (takes bearer JWTs only)

  Sign in as  ${users}

  Access tokens live for a minute. Ctrl-C stops everything.
`
}
