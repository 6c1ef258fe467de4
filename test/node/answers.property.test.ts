/** For all stacks of middleware round all kinds of answers: what the client gets, and that nothing of it stays behind. */
import type { ServerResponse } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { every, except, some } from 'hono/combine'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { logger } from 'hono/logger'
import { poweredBy } from 'hono/powered-by'
import { prettyJSON } from 'hono/pretty-json'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { timeout } from 'hono/timeout'
import { timing } from 'hono/timing'
import { afterAll, expect, test } from 'vitest'
import type { NodeRuntime } from '../../src/node/runtime.ts'
import { closeEverything, listen, onCleanup, rawClient, testRuntime, upstream } from './loopback.ts'
import { type Answer, answersIn, valuesOf } from './strict-answers.ts'

afterAll(closeEverything)

/** Does something with the answer, and puts what that gives in its place, if it is a response. */
function onAnswer(work: (c: Context) => unknown): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const answer = await work(c)
    if (answer instanceof Response) c.res = answer
  }
}

const ignore = () => undefined
/** What an app keeps of one call, and sends in the next. */
function keeping(): MiddlewareHandler {
  let kept: Response | undefined
  return onAnswer((c) => {
    const before = kept
    kept = c.res
    if (before === undefined) return
    c.res = undefined
    c.res = before
  })
}

/** What an app may do, each made anew: some keep something. */
const middlewareOf = (): Record<string, MiddlewareHandler> => ({
  compress: compress({ threshold: 1 }),
  etag: etag(),
  cors: cors({ origin: 'https://other.example' }),
  secureHeaders: secureHeaders(),
  timeout: timeout(10_000),
  poweredBy: poweredBy(),
  prettyJSON: prettyJSON({ force: true }),
  logger: logger(ignore),
  requestId: requestId(),
  timing: timing(),
  bodyLimit: bodyLimit({ maxSize: 1000 }),
  some: some(etag(), cors()),
  every: every(compress({ threshold: 1 }), etag()),
  except: except('/never', compress({ threshold: 1 })),
  touched: async (c, next) => {
    c.res.headers.set('x-before', 'yes')
    await next()
  },
  look: onAnswer((c) => void c.res.body),
  ofFetch: onAnswer((c) => [c.res.type, c.res.url, c.res.redirected, c.res.statusText].length),
  header: onAnswer((c) => c.header('x-after', 'yes')),
  copy: onAnswer((c) => new Response(c.res.body, c.res)),
  copyOfBody: onAnswer((c) => new Response(c.res.body)),
  newResponse: onAnswer((c) => c.newResponse(c.res.body)),
  otherStatus: onAnswer((c) => (c.res.body ? new Response(c.res.body, { ...c.res, status: 203 }) : undefined)),
  clone: onAnswer((c) => void c.res.clone()),
  cloneOfClone: onAnswer((c) => c.res.clone().clone()),
  cloneInItsPlace: onAnswer((c) => c.res.clone()),
  cloneOfItsBody: onAnswer((c) => new Response(c.res.clone().body, c.res)),
  log: onAnswer((c) => void c.res.clone().text().catch(ignore)),
  waitsForLog: onAnswer((c) => c.res.clone().text()),
  upper: onAnswer(async (c) => (c.res.body ? c.body((await c.res.text()).replaceAll('of', 'OF')) : undefined)),
  upperOfCopy: onAnswer(async (c) => {
    c.res = new Response(c.res.body, c.res)
    return c.body(await c.res.text(), 200)
  }),
  notFound: onAnswer(async (c) => (c.res.body ? c.body(await c.res.text(), 404) : undefined)),
  piped: onAnswer((c) => (c.res.body ? new Response(c.res.body.pipeThrough(new TransformStream()), c.res) : undefined)),
  tee: onAnswer((c) => {
    const [one, other] = c.res.body?.tee() ?? []
    if (one === undefined) return undefined
    new Response(other).text().catch(ignore)
    return new Response(one, c.res)
  }),
  deny: onAnswer((c) => c.body(null, 403)),
  denyWith200: onAnswer((c) => c.body(null, 200)),
  problem: onAnswer((c) => c.json({ no: 1 }, 403)),
  own: onAnswer((c) => c.text('own')),
  ownAnew: onAnswer((c) => {
    c.res = undefined
    return c.text('own')
  }),
  twice: onAnswer((c) => {
    c.res = c.text('own')
    return c.json({ own: 2 }, 201)
  }),
  redirect: onAnswer((c) => c.redirect('/elsewhere')),
  notModified: onAnswer(() => new Response(null, { status: 304 })),
  fails: onAnswer(() => {
    throw new Error('a bug of the app')
  }),
  failsAfterReading: onAnswer(async (c) => {
    await c.res.text().catch(ignore)
    throw new Error('a bug of the app')
  }),
  cancels: onAnswer((c) => void c.res.body?.cancel().catch(ignore)),
  locks: onAnswer((c) => {
    // An error of the app's own is for node-server to complain of.
    if (c.error === undefined && c.res.body?.locked === false) c.res.body.getReader()
  }),
  keeps: keeping(),
})

const text = (id: string) => `of ${id};`.repeat(40)

/** What an API may answer with. */
const answers: Record<string, (outgoing: ServerResponse, id: string) => void> = {
  json: (outgoing, id) => {
    const json = JSON.stringify({ of: id })
    outgoing.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': json.length }).end(json)
  },
  document: (outgoing, id) =>
    outgoing.writeHead(200, { 'Content-Type': 'text/html', 'Content-Disposition': 'attachment' }).end(text(id)),
  trailers: (outgoing, id) => {
    outgoing.writeHead(200, { 'Content-Type': 'text/plain' }).write(text(id))
    outgoing.addTrailers({ 'X-Sum': id })
    outgoing.end()
  },
  packed: (outgoing, id) =>
    outgoing.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Encoding': 'gzip' }).end(gzipSync(text(id))),
  untyped: (outgoing, id) => outgoing.writeHead(200).end(text(id)),
  empty: (outgoing) => outgoing.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 0 }).end(),
  none: (outgoing) => outgoing.writeHead(204).end(),
  reset: (outgoing) => outgoing.writeHead(205).end(),
  unmodified: (outgoing) => outgoing.writeHead(304, { 'Content-Length': 77 }).end(),
  part: (outgoing, id) => outgoing.writeHead(206, { 'Content-Range': 'bytes 0-9/99' }).end(text(id)),
  missing: (outgoing, id) => outgoing.writeHead(404, { 'Content-Type': 'text/plain' }).end(text(id)),
  events: (outgoing, id) => outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(`data: of ${id}\n\n`),
  large: (outgoing, id) => outgoing.writeHead(200, { 'Content-Type': 'text/plain' }).end(text(id).repeat(600)),
  broken: (outgoing, id) => {
    outgoing.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 1e6 }).write(text(id))
    setImmediate(() => outgoing.destroy())
  },
  brokenChunks: (outgoing, id) => {
    outgoing.writeHead(200, { 'Content-Type': 'text/html', 'Content-Disposition': 'attachment' }).write(text(id))
    setImmediate(() => outgoing.destroy())
  },
  endless: (outgoing, id) => void outgoing.writeHead(200, { 'Content-Type': 'text/plain' }).write(text(id)),
}

interface Asked {
  readonly kind: string
  readonly id: string
}

const ofTheConnection = new Set(['connection', 'keep-alive', 'transfer-encoding'])
const methods = ['GET', 'GET', 'GET', 'HEAD']

test('an API’s answer goes to who asked for it, whole or cut, and ends where it ends', {
  timeout: 30_000,
}, async () => {
  const open = new Set<ServerResponse>()
  const { origin } = await upstream((incoming, outgoing) => {
    const [, kind = '', id = ''] = incoming.url?.split('/') ?? []
    open.add(outgoing)
    outgoing.once('close', () => open.delete(outgoing))
    outgoing.setHeader('X-Id', id)
    answers[kind]?.(outgoing, id)
    if (incoming.method === 'HEAD') outgoing.end()
  })
  const runtime = testRuntime({ transport: { connections: 8 } })
  const troubles: unknown[] = []
  const onTrouble = (trouble: unknown) => troubles.push(trouble)
  process.on('warning', onTrouble)
  onCleanup(async () => process.off('warning', onTrouble))
  let app = new Hono()
  const { port } = await listen({ fetch: (request, env) => app.fetch(request, env), onError: ignore })
  let count = 0

  /** Two requests at once on one connection. */
  async function ask(stack: readonly string[], kinds: readonly string[], method: string, isLeaving: boolean) {
    app = around(stack, runtime, origin)
    const asked = kinds.map((kind) => ({ kind, id: `id${++count}x` }))
    const requests = asked.map(({ kind, id }, index) => {
      const connection = index === 0 ? 'keep-alive' : 'close'
      const fields = `Host: localhost\r\nAccept-Encoding: gzip\r\nConnection: ${connection}\r\n`
      return `${method} /${kind}/${id} HTTP/1.1\r\n${fields}\r\n`
    })
    const client = rawClient(port, requests.join(''))
    const isEndless = method === 'GET' && kinds.includes('endless')
    // At some moment or other.
    if (isLeaving || isEndless) setTimeout(() => client.socket.destroy(), isEndless ? 5 : 1)
    const received = await client.closed
    await expect.poll(() => open.size, { interval: 1, timeout: 5_000 }).toBe(0)
    if (isLeaving || isEndless) return
    const got = answersIn(
      received,
      asked.map(() => method),
    )
    const cut = asked.findIndex(({ kind }) => kind.startsWith('broken'))
    expect(got.length).toBeGreaterThanOrEqual(cut < 0 ? asked.length : cut)
    for (const [index, answer] of got.entries()) checkAnswer(stack, asked[index] as Asked, answer)
  }

  const stacks = fc.array(fc.constantFrom(...Object.keys(middlewareOf())), { maxLength: 4 })
  const kind = fc.constantFrom(...Object.keys(answers))
  await fc.assert(fc.asyncProperty(stacks, fc.tuple(kind, kind), fc.constantFrom(...methods), fc.boolean(), ask), {
    numRuns: 300,
    endOnFailure: true,
  })
  expect(troubles).toEqual([])
})

/** An app that sends every request on, as the gateway does, with middleware, the outermost first. */
function around(stack: readonly string[], runtime: NodeRuntime, origin: string): Hono {
  const app = new Hono()
  app.onError((_error, c) => c.text('failed', 500))
  const middleware = middlewareOf()
  for (const name of stack) app.use('*', middleware[name] as MiddlewareHandler)
  app.all('*', async (c) => {
    const target = runtime.requestTarget(c)
    const answer = await runtime.transport.send({
      ...{ origin, target, method: c.req.method, headers: [], body: null },
      ...{ signal: runtime.clientSignal(c), headersTimeoutMs: 5_000, bodyTimeoutMs: 1_000 },
    })
    const headers = answer.headers.filter(([name]) => !ofTheConnection.has(name))
    return runtime.respond(c, { ...answer, headers }, answer.body, async () => [
      ['set-cookie', `ours=${target.split('/')[2]}`],
      ['cache-control', 'private, no-store'],
    ])
  })
  return app
}

function checkAnswer(stack: readonly string[], { kind, id }: Asked, answer: Answer): void {
  const all = (name: string) => valuesOf(answer, name)
  const content = unpacked(answer)
  const ids = new Set(`${content} ${answer.fields.flat().join(' ')}`.match(/id\d+x/g))
  ids.delete(id)
  // What an app keeps and sends again is for it to know.
  if (!stack.includes('keeps')) expect([...ids]).toEqual([])
  const cookies = all('set-cookie')
  if (answer.status === 500) expect(cookies.length).toBeLessThan(2)
  else expect(cookies).toEqual([`ours=${id}`])
  if (cookies.length > 0) expect(all('cache-control').join()).toContain('no-store')
  const isOfApi = content.includes(id)
  const isBroken = kind.startsWith('broken')
  if (!isBroken) expect(answer.isWhole).toBe(true)
  else if (isOfApi) expect(answer.isWhole).toBe(false)
  const isDocument = isOfApi && all('content-type').join().includes('html')
  if (isDocument) expect(all('content-disposition')).toEqual(['attachment'])
}

function unpacked({ body, ...head }: Answer): string {
  const isPacked = head.isWhole && body !== '' && valuesOf(head, 'content-encoding').join() === 'gzip'
  try {
    return isPacked ? gunzipSync(Buffer.from(body, 'latin1')).toString() : body
  } catch {
    // An app read packed bytes as text.
    return body
  }
}
