/** An app of somebody's own with Coatcheck in it: the configuration in `CONFIG`, and its pages. */
import { Hono } from 'hono'
import { resolveConfig, tokenHandler } from '../../src/index.ts'
import { appPages, type WorkerHandler, workersRuntime } from '../../src/workers/index.ts'

interface Env {
  CONFIG: string
}

let app: Hono<{ Bindings: Env }> | undefined

function appFor(env: Env): Hono<{ Bindings: Env }> {
  const config = resolveConfig(JSON.parse(env.CONFIG), env)
  const runtime = workersRuntime()
  const handler = tokenHandler(config, { runtime, pages: appPages(config, runtime, env) })
  return new Hono<{ Bindings: Env }>().get('/hello', (c) => c.text('hello')).route('/', handler.routes)
}

export default {
  async fetch(request, env, context) {
    app ??= appFor(env)
    const answer = Promise.resolve(app.fetch(request, env, context))
    // What requests share is not to die with one of them.
    context.waitUntil(answer.catch(() => undefined))
    return answer
  },
} satisfies WorkerHandler<Env>
