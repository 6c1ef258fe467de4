/** The management listener: whether this process is there, and whether it can serve (design.md, "Listeners"). */
import { type ErrorHandler, Hono } from 'hono'
import { CoatcheckError } from './errors.ts'
import type { BffEnv, Services } from './services.ts'

export function managementApp({ reply, askStore }: Services, onError: ErrorHandler<BffEnv>): Hono<BffEnv> {
  const app = new Hono<BffEnv>()
  app.onError(onError)
  /** The process answers. To ask more of it would have it restarted for what a restart does not mend. */
  app.get('/healthz', () => reply({ status: 200, json: { status: 'ok' } }))
  /** The store can be asked; 503 where it cannot. A provider that is out is no reason to send nobody here. */
  app.get('/readyz', async () => {
    await askStore()
    return reply({ status: 200, json: { status: 'ready' } })
  })
  app.all('*', () => {
    throw new CoatcheckError('no_route')
  })
  return app
}
