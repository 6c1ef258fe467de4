/** In development the app's pages come from Vite's own server, through us: one origin, hot reload included. */
import type { Context } from 'hono'
import { CoatcheckError } from '../errors.ts'
import { isWebSocketUpgrade } from '../protection/csrf.ts'
import type { HeaderList, Runtime, UpstreamRequest, UpstreamResponse } from '../runtime.ts'

export interface DevProxyOptions {
  /** Where Vite listens: `http://localhost:5173`. */
  readonly target: string
  /** The origin that browsers see; a WebSocket has to come from it. */
  readonly origin: string
  readonly runtime: Runtime
  /** The looser security headers of development. */
  readonly pageHeaders: HeaderList
}

/** Answers GET and HEAD with what Vite has, and joins the page's hot reload to Vite's; undefined for everything else. */
export type DevProxy = (c: Context) => Promise<Response | undefined>

export function devProxy(options: DevProxyOptions): DevProxy {
  const { runtime } = options
  const target = new URL(options.target).origin
  const requestOf = (c: Context, headers: HeaderList): UpstreamRequest => ({
    origin: target,
    target: runtime.requestTarget(c),
    method: c.req.method,
    headers,
    body: null,
    signal: runtime.clientSignal(c),
    // The first request waits until Vite has bundled what the app depends on.
    headersTimeoutMs: 60_000,
    bodyTimeoutMs: 60_000,
  })

  async function openHotReload(c: Context): Promise<Response> {
    const asked = runtime.requestHeaders(c)
    // Browsers send no Fetch Metadata here: Origin is what tells our page from another one.
    if (asked.origin !== options.origin || asked.host !== new URL(options.origin).host) throw new CoatcheckError('csrf')
    const fields = requestFields(asked).filter(([name]) => name.startsWith('sec-websocket-'))
    const answer = await runtime.webSockets?.connect(requestOf(c, [...fields, ['origin', options.origin]]))
    if (answer?.socket === undefined) {
      answer?.body?.cancel()
      return new Response(null, { status: answer?.status ?? 501 })
    }
    const accepted = answer.headers.filter(([name]) => name.startsWith('sec-websocket-'))
    return runtime.webSockets?.open(c, accepted, answer.socket, () => []) as Promise<Response>
  }

  return async (c) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return undefined
    const asked = runtime.requestHeaders(c)
    if (isWebSocketUpgrade(asked) && runtime.webSockets?.canOpen(c)) return openHotReload(c)
    let response: UpstreamResponse
    try {
      response = await runtime.transport.send(requestOf(c, requestFields(asked)))
    } catch (error) {
      if (!(error instanceof CoatcheckError)) throw error
      return notRunning(target)
    }
    const headers = responseFields(response.headers)
    return runtime.respond(c, { status: response.status, headers }, response.body, () => options.pageHeaders)
  }
}

/**
 * Vite gets no credentials, and a `Host` of its own: it answers 403 to others. What the browser says of the
 * request's origin goes on, since Vite refuses cross-site reads by it.
 */
const withheld = new Set([
  'authorization',
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-csrf',
])

function requestFields(headers: Readonly<Record<string, string | undefined>>): HeaderList {
  return Object.entries(headers).filter((field): field is [string, string] => {
    return field[1] !== undefined && !withheld.has(field[0])
  })
}

function responseFields(headers: HeaderList): HeaderList {
  return headers.filter(
    ([name]) => !/^(?:set-cookie|access-control-.*|content-security-policy|x-coatcheck-.*)$/.test(name),
  )
}

function notRunning(target: string): Response {
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The development server is not running</title>
<h1>The development server is not running</h1>
<p>Nothing answers at <code>${target}</code> (<code>spa.proxy</code>). Start it with <code>npx vite</code> in the app's
folder. This page looks again every two seconds.</p>
</html>
`
  return new Response(page, {
    status: 503,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
      'x-content-type-options': 'nosniff',
      refresh: '2',
      'retry-after': '2',
    },
  })
}
