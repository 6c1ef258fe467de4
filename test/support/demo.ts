/** The demo with each part in the test's hands: what `npm start` runs, in this process. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type RunningApi, startApi } from '../../spa-example/api/index.ts'
import { buildPages } from '../../spa-example/build-pages.ts'
import { apiResource, type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { startServer } from '../../src/node/index.ts'
import { loadConfig } from '../../src/node/load-config.ts'
import type { CoatcheckEvent } from '../../src/observability/events.ts'
import { freePort } from './free-port.ts'
import { type ProviderLog, watchProvider } from './provider-log.ts'

export interface Demo {
  readonly origin: string
  readonly provider: RunningProvider
  readonly api: RunningApi
  /** What reached the provider, with the tokens that it gave. */
  readonly log: ProviderLog
  /** What Coatcheck reported. */
  readonly events: readonly CoatcheckEvent[]
  stop(): Promise<void>
}

const here = (path: string) => fileURLToPath(new URL(`../../spa-example/${path}`, import.meta.url))

export async function startDemo({ accessTokenSeconds = 60 } = {}): Promise<Demo> {
  await buildPages()
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const provider = await startProvider({ appOrigin: origin, accessTokenSeconds })
  const api = await startApi({ issuer: provider.issuer, audience: apiResource })
  const env = {
    BASE_URL: origin,
    ISSUER: provider.issuer,
    CLIENT_ID: provider.clientId,
    CLIENT_SECRET: provider.clientSecret,
    SESSION_SECRET: randomBytes(32).toString('base64url'),
    API_URL: api.url,
    SPA_DIR: here('dist'),
  }
  const events: CoatcheckEvent[] = []
  const config = await loadConfig(here('coatcheck.config.mts'), env)
  const app = await startServer(config, { host: 'localhost', port, report: (event) => events.push(event) })
  const log = watchProvider(provider)
  return {
    origin,
    provider,
    api,
    log,
    events,
    async stop() {
      log.stop()
      await app.close()
      await Promise.all([api.stop(), provider.stop()])
    },
  }
}
