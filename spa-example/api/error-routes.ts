/** `/errors/KIND`: an API on its bad days, to see how a gateway and an application take it. */
import { Hono } from 'hono'
import { allow, anyCaller, GuardError } from '../../src/resource-server/index.ts'
import { type ApiContext, type ApiEnv, wholeNumber } from './exchange.ts'
import { ApiError, invalid, notFound } from './problem.ts'

type Answer = (c: ApiContext) => Response | Promise<Response>

const kinds: Readonly<Record<string, Answer>> = {
  /** Refuses the token, whatever it is. */
  unauthorized: () => {
    throw new GuardError('invalid_token', { reason: 'on_purpose' })
  },
  /** Fails without having caught it. */
  crash: () => {
    throw new Error('The example API fails on purpose')
  },
  /** Answers after `?seconds=`. */
  slow: async (c) => {
    const seconds = wholeNumber(c.req.query('seconds'), 2, 0, 120)
    if (seconds === undefined) throw invalid([{ field: 'seconds', message: 'A whole number, 0 to 120' }])
    await untilOrAborted(seconds * 1000, c.req.raw.signal)
    return c.json({ waitedSeconds: seconds })
  },
  /** Never answers. */
  hang: async (c) => {
    await untilOrAborted(undefined, c.req.raw.signal)
    return c.body(null, 204)
  },
  /** Promises a long body, sends the beginning, and cuts the connection. */
  cut: (c) => c.body(cutStream(c), 200, { 'Content-Type': 'application/json', 'Content-Length': '100000' }),
  /** The same without a length: chunked. */
  'cut-chunked': (c) => c.body(cutStream(c), 200, { 'Content-Type': 'application/json' }),
  /** Closes the connection without an answer. */
  reset: (c) => {
    c.env.incoming.socket.destroy()
    return c.body(null, 204)
  },
  /** Inside this API. */
  redirect: (c) => c.redirect(`${new URL(c.req.url).pathname.replace(/\/errors\/redirect$/, '')}/orders?page=1`, 302),
  /** To somebody else. */
  'redirect-away': (c) => c.redirect('https://elsewhere.example/orders', 302),
  'set-cookie': (c) => {
    c.header('Set-Cookie', 'api_session=from-the-api; Path=/; HttpOnly', { append: true })
    c.header('Set-Cookie', '__Host-Http-coatcheck=forged; Path=/; Secure; HttpOnly', { append: true })
    return c.json({ ok: true })
  },
  /** Header fields that would speak to the browser about the application's origin. */
  'hostile-headers': (c) =>
    c.json({ ok: true }, 200, {
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Allow-Origin': '*',
      'Cache-Control': 'public, max-age=3600',
      'Clear-Site-Data': '"*"',
      Refresh: '0; url=https://elsewhere.example/',
      'Service-Worker-Allowed': '/',
      'Set-Cookie': 'api_session=from-the-api; Path=/',
      'Strict-Transport-Security': 'max-age=0',
    }),
  /** Says JSON, sends none. */
  garbage: (c) => c.body('<html>{', 200, { 'Content-Type': 'application/json' }),
  /** An HTML page where JSON was asked for, with script in it. */
  html: (c) => c.html('<!doctype html><title>A page</title><script>document.title = "script ran"</script>'),
}

export function errorRoutes(): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  routes.all('/:kind', allow(anyCaller()), (c) => {
    const kind = c.req.param('kind')
    const answer = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
    if (answer) return answer(c)
    if (!/^[45]\d\d$/.test(kind)) throw notFound('kind of error')
    const status = Number(kind)
    const isTemporary = status === 429 || status === 503
    throw new ApiError(status, 'on_purpose', `Answered ${status} on purpose`, {
      headers: isTemporary ? { 'Retry-After': '2' } : {},
    })
  })
  return routes
}

const beginning = new TextEncoder().encode('{"items":[')

/** Sends a beginning, and cuts the connection once that is on its way. */
function cutStream(c: ApiContext): ReadableStream<Uint8Array<ArrayBuffer>> {
  let timer: NodeJS.Timeout | undefined
  return new ReadableStream({
    start(controller) {
      controller.enqueue(beginning)
      timer = setTimeout(() => c.env.incoming.socket.destroy(), 50)
    },
    cancel() {
      clearTimeout(timer)
    },
  })
}

/** Waits that long (for ever without a time), or until the client has gone. */
function untilOrAborted(ms: number | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
