/** What a middleware of somebody's own may do with the body of an API's answer, and what the client gets then. */
import type { RequestListener, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { compress } from 'hono/compress'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { secureHeaders } from 'hono/secure-headers'
import { afterEach, describe, expect, test } from 'vitest'
import { isUsed } from '../../src/node/held-response.ts'
import type { HeaderList, LongLived } from '../../src/runtime.ts'
import { gateway, request } from './gateway.ts'
import {
  closeEverything,
  deferred,
  forwarding,
  gushingUpstream,
  rawClient,
  serving,
  testRuntime,
  upstream,
} from './loopback.ts'

afterEach(closeEverything)

const json = JSON.stringify({ orders: [{ id: 'from the API' }, { id: 'and long enough to be packed' }] })
const policy = "sandbox; default-src 'none'"
const fields = {
  'Content-Type': 'application/json',
  'Content-Length': json.length,
  'Content-Disposition': 'attachment',
  'Content-Security-Policy': policy,
  ETag: '"1"',
}
const answering: RequestListener = (_incoming, outgoing) => void outgoing.writeHead(200, fields).end(json)

interface Wrapped {
  api?: RequestListener
  finish?: () => HeaderList | Promise<HeaderList>
}

/** A server with middleware, the outermost first, around what forwards to the API; and what its log got. */
async function wrapped(middleware: readonly MiddlewareHandler[], { api = answering, finish }: Wrapped = {}) {
  const { origin } = await upstream(api)
  const errors: unknown[] = []
  const app = new Hono()
  for (const one of middleware) app.use('*', one)
  app.route('/', forwarding(testRuntime(), origin, finish === undefined ? {} : { finish }))
  return { ...(await serving(app, { onError: (error) => errors.push(error) })), errors }
}

/** Does something with the answer, and puts what that gives in its place, if it is a response. */
function onAnswer(work: (c: Context) => unknown): MiddlewareHandler {
  return async (c, next) => {
    await next()
    const answer = await work(c)
    if (answer instanceof Response) c.res = answer
  }
}

/** An API whose answer does not end, and whether its connection is lost. */
function endless(
  head: Record<string, string | number> = { 'Content-Type': 'application/json', 'Content-Length': 1e9 },
) {
  const gone = deferred()
  const begun = deferred<ServerResponse>()
  const api: RequestListener = (_incoming, outgoing) => {
    outgoing.once('close', () => gone.resolve())
    outgoing.writeHead(200, head).write('data: 1\n\n')
    begun.resolve(outgoing)
  }
  return { api, gone: gone.promise, begun: begun.promise }
}

const touched: MiddlewareHandler = async (c, next) => {
  c.res.headers.set('x-before', 'yes')
  await next()
}
const copying = cors({ origin: 'https://other.example' })

describe('the body of an answer', () => {
  test.each<[string, (response: Response) => Promise<unknown>, unknown]>([
    ['text()', (response) => response.text(), json],
    ['json()', (response) => response.json(), JSON.parse(json)],
    ['arrayBuffer()', async (response) => Buffer.from(await response.arrayBuffer()).toString(), json],
    ['bytes()', async (response) => Buffer.from(await response.bytes()).toString(), json],
    ['blob()', async (response) => (await response.blob()).type, 'application/json'],
    ['body', async (response) => await new Response(response.body).text(), json],
    ['clone()', async (response) => await response.clone().text(), json],
    ['clone() of a clone', async (response) => await response.clone().clone().text(), json],
  ])('is read with %s', async (_how, read, expected) => {
    let seen: unknown
    const { url } = await wrapped([
      onAnswer(async (c) => {
        seen = await read(c.res)
        c.res = c.text('read')
      }),
    ])
    expect(await (await fetch(url)).text()).toBe('read')
    expect(seen).toEqual(expected)
  })

  test('is read with formData()', async () => {
    let seen: unknown
    const api: RequestListener = (_incoming, outgoing) =>
      void outgoing.writeHead(200, { 'Content-Type': 'application/x-www-form-urlencoded' }).end('a=1')
    const read = onAnswer(async (c) => {
      seen = Object.fromEntries(await c.res.formData())
      c.res = c.text('read')
    })
    await (await fetch((await wrapped([read], { api })).url)).text()
    expect(seen).toEqual({ a: '1' })
  })

  test('is null where there is none', async () => {
    const seen: unknown[] = []
    const api: RequestListener = (incoming, outgoing) =>
      void outgoing.writeHead(Number(incoming.url?.slice(1)), { ETag: '"1"' }).end()
    const look = onAnswer(async (c) => {
      seen.push(c.res.body, await c.res.text(), await c.res.clone().text())
      await expect(c.res.json()).rejects.toThrow(SyntaxError)
    })
    const { url } = await wrapped([look], { api })
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const response = await fetch(`${url}/${status}`, { method })
      expect([response.status, response.headers.get('etag')]).toEqual([status, '"1"'])
    }
    expect(seen).toEqual([null, '', '', null, '', '', null, '', ''])
  })

  test('is left alone by c.header(), which changes the answer in place', async () => {
    let isSame = false
    const { url } = await wrapped([
      onAnswer((c) => {
        const before = c.res
        c.header('x-after', 'yes')
        isSame = c.res === before
      }),
    ])
    const response = await fetch(url)
    expect([isSame, response.headers.get('x-after'), await response.text()]).toEqual([true, 'yes', json])
  })

  test('that is read twice is an error to who reads it, and one that is cloned too late', async () => {
    const seen: unknown[] = []
    const { url } = await wrapped([
      onAnswer(async (c) => {
        await c.res.text()
        seen.push(await c.res.text().catch((error: Error) => error.name))
        expect(() => c.res.clone()).toThrow(TypeError)
        c.res = c.text('read')
      }),
    ])
    await (await fetch(url)).text()
    expect(seen).toEqual(['TypeError'])
  })
})

describe('a body that nobody reads goes straight through', () => {
  const copies: [string, MiddlewareHandler[]][] = [
    ['looked at', [onAnswer((c) => void c.res.body)]],
    ['copied by new Response()', [onAnswer((c) => new Response(c.res.body, c.res))]],
    ['copied by c.newResponse()', [onAnswer((c) => c.newResponse(c.res.body))]],
    ['copied twice', [copying, onAnswer((c) => new Response(c.res.body, { headers: c.res.headers }))]],
    ['under cors()', [copying]],
    ['with c.res touched before next()', [touched]],
    ['under secureHeaders() and cors()', [secureHeaders(), copying]],
  ]

  test.each(copies)('%s, with its length and its fields', async (_how, middleware) => {
    let body: ReadableStream | null = null
    const { url } = await wrapped([
      onAnswer((c) => {
        body = c.res.body
      }),
      ...middleware,
    ])
    const response = await fetch(url, { headers: { origin: 'https://other.example' } })
    expect(await response.text()).toBe(json)
    expect(response.headers.get('content-length')).toBe(String(json.length))
    expect(response.headers.get('content-security-policy')).toBe(policy)
    expect(isUsed(body as unknown as ReadableStream)).toBe(false)
  })

  test('copied, of a hundred megabytes', async () => {
    const chunk = Buffer.alloc(64 * 1024)
    const api: RequestListener = (_incoming, outgoing) => {
      let left = 1600
      const more = () => {
        while (left-- > 0) if (!outgoing.write(chunk)) break
        if (left > 0) outgoing.once('drain', more)
        else outgoing.end()
      }
      more()
    }
    const { url } = await wrapped([copying], { api })
    let received = 0
    for await (const part of (await fetch(url)).body as ReadableStream<Uint8Array>) received += part.byteLength
    expect(received).toBe(1600 * chunk.byteLength)
  })

  test('under the status that a copy gives it, and not with a length that is not its own', async () => {
    const { url } = await wrapped([
      onAnswer((c) => {
        const { body } = c.res
        c.res = undefined
        c.res = new Response(body, { status: 404, headers: { 'content-length': '3' } })
      }),
    ])
    const response = await fetch(url)
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([404, null, json])
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
  })
})

describe('what a middleware makes of the body', () => {
  test('compress() compresses', async () => {
    const { url } = await wrapped([compress({ threshold: 1 })])
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(response.headers.get('vary')).toBe('Accept-Encoding')
    expect(response.headers.get('etag')).toBe('W/"1"')
    expect(response.headers.has('content-length')).toBe(false)
    expect(await response.text()).toBe(json)
  })

  test.each<[string, MiddlewareHandler]>([
    ['cors()', copying],
    ['a middleware that touched c.res', touched],
  ])('compress() compresses under %s', async (_what, outer) => {
    const { url } = await wrapped([outer, compress({ threshold: 1 })])
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
    expect([response.headers.get('content-encoding'), await response.text()]).toEqual(['gzip', json])
  })

  test('compress() leaves what the API has packed', async () => {
    const packed = gzipSync(json)
    const api: RequestListener = (_incoming, outgoing) =>
      void outgoing.writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }).end(packed)
    const { url } = await wrapped([compress({ threshold: 1 })], { api })
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
    expect(await response.text()).toBe(json)
  })

  test('etag() makes a tag, and answers 304 to who has it', async () => {
    const api: RequestListener = (_incoming, outgoing) =>
      void outgoing.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': json.length }).end(json)
    const { url, port } = await wrapped([etag()], { api })
    const first = await fetch(url)
    const tag = first.headers.get('etag') ?? ''
    expect(tag).toMatch(/^"[0-9a-f]{40}"$/)
    expect([first.headers.get('content-length'), await first.text()]).toEqual([String(json.length), json])
    const get = (more: string) => `GET / HTTP/1.1\r\nHost: localhost\r\n${more}\r\n\r\n`
    const all = await rawClient(port, get(`If-None-Match: ${tag}`) + get('Connection: close')).closed
    expect(all).toMatch(/^HTTP\/1\.1 304 /)
    const [head = '', next] = all.split(/(?<=\r\n\r\n)/)
    expect(head).toContain(`etag: ${tag}\r\n`)
    expect(head).not.toMatch(/content-length/i)
    expect(next).toMatch(/^HTTP\/1\.1 200 /)
    expect(all.endsWith(json)).toBe(true)
  })

  test.each<[string, (c: Context) => Response]>([
    ['itself', (c) => c.res],
    ['of a clone', (c) => c.res.clone()],
  ])('JSON from JSON, %s, keeps the fields of the API, and has no length of the API’s', async (_how, read) => {
    const { url } = await wrapped(
      [
        onAnswer(async (c) => {
          const { orders } = (await read(c).json()) as { orders: unknown[] }
          c.res = c.json({ count: orders.length })
        }),
      ],
      { finish: () => [['set-cookie', 'ours=1; Path=/']] },
    )
    const response = await fetch(url)
    expect(await response.json()).toEqual({ count: 2 })
    expect(response.headers.has('content-length')).toBe(false)
    expect(response.headers.get('content-disposition')).toBe('attachment')
    expect(response.headers.get('content-security-policy')).toBe(policy)
    expect(response.headers.getSetCookie()).toEqual(['ours=1; Path=/'])
  })

  test('a document from a document stays an attachment, under the policy of data', async () => {
    const { origin } = await upstream(
      (_incoming, outgoing) => void outgoing.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>mine'),
    )
    const louder = onAnswer(async (c) => c.html((await c.res.text()).toUpperCase()))
    const { port } = await gateway(origin, {}, { middleware: [louder] })
    const all = await rawClient(port, request('GET', '/open/page', ['Connection: close'])).closed
    expect(all).toMatch(/\r\ncontent-type: text\/html/i)
    expect(all).toMatch(/\r\ncontent-disposition: attachment\r\n/)
    expect(all).toMatch(/\r\ncontent-security-policy: sandbox; default-src 'none'/)
    expect(all).toContain('<P>MINE')
  })

  test('a document from a document stays an attachment as an error, too; one of another type is a page', async () => {
    const html: RequestListener = (_incoming, outgoing) =>
      void outgoing.writeHead(200, { 'Content-Type': 'text/html', 'Content-Disposition': 'attachment' }).end('<p>')
    const { url } = await wrapped(
      [onAnswer(async (c) => (c.req.query('own') ? c.html('<h1>No</h1>', 403) : c.body(await c.res.text(), 404)))],
      { api: html },
    )
    const [read, own] = [await fetch(url), await fetch(`${url}?own=1`)]
    expect([read.status, read.headers.get('content-disposition'), await read.text()]).toEqual([
      404,
      'attachment',
      '<p>',
    ])
    expect([own.status, own.headers.get('content-disposition')]).toEqual([403, null])
  })

  test('in the place of an error of the API, with the same status, keeps what that said', async () => {
    const api: RequestListener = (_incoming, outgoing) => void outgoing.writeHead(404, fields).end(json)
    const { url } = await wrapped([onAnswer(async (c) => c.text((await c.res.text()).toUpperCase(), 404))], {
      api,
    })
    const response = await fetch(url)
    expect([response.status, response.headers.get('content-disposition')]).toEqual([404, 'attachment'])
    expect(await response.text()).toBe(json.toUpperCase())
  })

  test('but an error instead is an answer of its own', async () => {
    const { url } = await wrapped([onAnswer(async (c) => c.text(`${(await c.res.text()).length}`, 422))])
    const response = await fetch(url)
    expect([response.status, await response.text()]).toEqual([422, String(json.length)])
    expect([response.headers.get('content-disposition'), response.headers.get('etag')]).toEqual([null, null])
    expect(response.headers.get('content-length')).toBe(String(String(json.length).length))
  })

  test('a clone’s text for a log leaves the body whole', async () => {
    const log: string[] = []
    const { url } = await wrapped([
      onAnswer(
        (c) =>
          void c.res
            .clone()
            .text()
            .then((text) => log.push(text)),
      ),
    ])
    const response = await fetch(url)
    expect([response.headers.get('content-length'), await response.text()]).toEqual([String(json.length), json])
    expect(log).toEqual([json])
  })

  test('a clone that is sent does not gather in memory what nobody reads of the answer that it was cloned from', async () => {
    const { api, gone } = endless()
    let original: Response | undefined
    const { port } = await wrapped(
      [
        onAnswer((c) => {
          original = c.res
          return c.res.clone()
        }),
      ],
      { api },
    )
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/data: 1/)
    const { done } = (await original?.body?.getReader().read()) ?? {}
    expect(done).toBe(true)
    client.socket.destroy()
    await gone
  })

  test('breaks off when the API does, and shows the client nothing of that', async () => {
    const { api, begun } = endless()
    const { port } = await wrapped([compress({ threshold: 1 })], { api })
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n')
    ;(await begun).destroy()
    const all = await client.closed
    expect(all).toMatch(/^HTTP\/1\.1 200 (.*\r\n)*content-encoding: gzip\r\n/)
    expect(all).not.toContain('\r\n0\r\n\r\n')
    expect(all).not.toMatch(/Error|500/)
  })

  test('ends the call to the API when the client leaves in the middle', async () => {
    const { api, gone } = endless()
    const { port } = await wrapped([compress({ threshold: 1 })], { api })
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n')
    await client.until(/content-encoding: gzip(.*\r\n)*\r\n/)
    client.socket.destroy()
    await gone
  })
})

test.each<[string, MiddlewareHandler]>([
  ['copied', copying],
  ['piped through a stream of the app’s own', onAnswer(pipedAnew)],
])('a body is held back when the client does not read: %s', async (_how, middleware) => {
  const { origin, stopped, written } = await gushingUpstream()
  const app = new Hono()
  app.use('*', middleware)
  app.route('/', forwarding(testRuntime(), origin))
  const { port } = await serving(app, { limits: { stallTimeoutMs: 300 } })
  const client = rawClient(port)
  client.socket.pause()
  client.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await stopped
  expect(written()).toBeLessThan(64 * 1024 * 1024)
})

/** Through a stream of the app's own. */
function pipedAnew(c: Context): void {
  c.res = new Response(c.res.body?.pipeThrough(new TransformStream()), c.res)
}

describe('an event stream that goes through a stream of the app’s own', () => {
  const events = { 'Content-Type': 'text/event-stream' }

  test('ends for the API when the client leaves', async () => {
    const { api, gone } = endless(events)
    const { port } = await wrapped([onAnswer(pipedAnew)], { api })
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/data: 1/)
    client.socket.destroy()
    await gone
  })

  test('ends cleanly for the client on a shutdown, and for the API, whoever reads a clone', async () => {
    const { api, gone } = endless(events)
    const cloned = onAnswer(
      (c) =>
        void c.res
          .clone()
          .text()
          .catch(() => undefined),
    )
    for (const middleware of [[onAnswer(pipedAnew)], [cloned]]) {
      const { port, close } = await wrapped(middleware, { api })
      const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await client.until(/data: 1/)
      await close()
      expect(await client.closed).toMatch(/data: 1\n\n\r\n0\r\n\r\n$/)
      await gone
    }
  })

  test('ends cleanly with its session', async () => {
    const { api, gone } = endless(events)
    const { origin } = await upstream(api)
    const runtime = testRuntime()
    let stream: LongLived | undefined
    const over = deferred()
    const app = new Hono<{ Bindings: HttpBindings }>().use('*', onAnswer(pipedAnew))
    app.get('*', async (c) => {
      const answer = await runtime.transport.send({
        ...{ origin, target: '/', method: 'GET', headers: [], body: null, signal: runtime.clientSignal(c) },
        ...{ headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000 },
      })
      stream = answer.stream
      stream?.watch(() => over.resolve())
      return runtime.respond(c, answer, answer.body, () => [])
    })
    const { port } = await serving(app as never)
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/data: 1/)
    stream?.end()
    await client.until(/data: 1\n\n\r\n0\r\n\r\n$/)
    await Promise.all([gone, over.promise])
  })
})

describe('an empty answer of a middleware’s own never gets the API’s body', () => {
  const looks: [string, MiddlewareHandler[]][] = [
    ['nothing', []],
    ['cors()', [copying]],
    ['c.res touched before next()', [touched]],
    ['a look at the body', [onAnswer((c) => void c.res.body)]],
    ['a copy', [onAnswer((c) => new Response(c.res.body, c.res))]],
    ['a clone', [onAnswer((c) => void c.res.clone())]],
    ['a clone’s text', [onAnswer((c) => c.res.clone().text())]],
    ['the text', [onAnswer((c) => c.res.text())]],
    ['compress()', [compress({ threshold: 1 })]],
    ['compress() under cors()', [copying, compress({ threshold: 1 })]],
    ['etag()', [etag()]],
    ['cancel()', [onAnswer((c) => c.res.body?.cancel())]],
  ]
  const api: RequestListener = (incoming, outgoing) =>
    void outgoing
      .writeHead(incoming.url?.startsWith('/404') ? 404 : 200, {
        'Content-Type': 'application/json',
        'Content-Length': json.length,
      })
      .end(json)

  test.each(looks)('after %s', async (_what, middleware) => {
    const deny: MiddlewareHandler = async (c, next) => {
      await next()
      const status = Number(c.req.query('deny'))
      if (status === 0) return
      if (c.req.query('anew')) c.res = undefined
      c.res = status === 302 ? Response.redirect('http://other.example') : c.body(null, status as never)
    }
    const { origin } = await upstream(api)
    const app = new Hono()
    for (const one of [deny, ...middleware]) app.use('/:status', one)
    app.route('/', forwarding(testRuntime(), origin))
    const { port } = await serving(app, { onError: () => undefined })
    for (const query of ['', '&anew=1']) {
      for (const [path, status] of denials) {
        const get = (target: string, more: string) =>
          `GET ${target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n${more}\r\n`
        const first = get(`/${path}?deny=${status}${query}`, '')
        const all = await rawClient(port, first + get('/', 'Connection: close\r\n')).closed
        expect(all).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
        const [head = ''] = all.split('\r\n\r\n')
        const rest = all.slice(head.length + 4).replace(/^0\r\n\r\n/, '')
        expect(rest).toMatch(/^HTTP\/1\.1 200 /)
        expect(rest.split('\r\n\r\n')[1]).toBe(json)
      }
    }
  })

  const denials = [
    ['200', 200],
    ['200', 201],
    ['200', 204],
    ['200', 205],
    ['200', 302],
    ['200', 304],
    ['200', 403],
    ['200', 404],
    ['200', 500],
    ['404', 404],
    ['404', 200],
  ] as const
})

describe('a body that somebody has read, with nothing in its place', () => {
  const uses: [string, MiddlewareHandler[]][] = [
    ['read', [onAnswer((c) => c.res.body?.getReader().read())]],
    ['locked', [onAnswer((c) => void c.res.body?.getReader())]],
    ['cancelled', [onAnswer((c) => c.res.body?.cancel())]],
    ['piped elsewhere', [onAnswer((c) => void c.res.body?.pipeTo(new WritableStream()).catch(() => undefined))]],
    ['read from a copy', [onAnswer((c) => c.res.body?.getReader().read()), copying]],
    ['locked, in a copy', [onAnswer((c) => void new Response(c.res.body, c.res).body?.getReader())]],
    ['locked, in a clone that is sent', [onAnswer(lockedClone)]],
  ]

  test.each(uses)('is an error that says so: %s', async (_how, middleware) => {
    const { api, gone } = endless()
    const { url, errors } = await wrapped(middleware, { api })
    const response = await fetch(url)
    expect([response.status, (await response.json()).code]).toEqual([500, 'internal_error'])
    expect(errors).toMatchObject([{ code: 'ANSWER_BODY_USED' }])
    await gone
  })

  function lockedClone(c: Context): void {
    const clone = c.res.clone()
    clone.body?.getReader()
    c.res = undefined
    c.res = clone
  }

  test('and so is one that is locked while its cookies are decided: the client is cut off', async () => {
    const { api, gone } = endless()
    const decided = deferred<HeaderList>()
    const { port, errors } = await wrapped(
      [
        onAnswer((c) => {
          c.res.clone()
          const held = c.res
          setImmediate(() => {
            held.body?.getReader()
            decided.resolve([])
          })
        }),
      ],
      { api, finish: () => decided.promise },
    )
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await client.closed).not.toMatch(/Error|\r\n0\r\n\r\n/)
    expect(errors).toMatchObject([{ code: 'ERR_INVALID_STATE' }])
    await gone
  })

  test('and so is a response that cannot be', async () => {
    const { api, gone } = endless()
    const { url, errors } = await wrapped(
      [
        onAnswer((c) => {
          const { body } = c.res
          c.res = undefined
          c.res = new Response(body, { status: 204 })
        }),
      ],
      { api },
    )
    const response = await fetch(url)
    expect([response.status, (await response.json()).code]).toEqual([500, 'internal_error'])
    expect(errors).toHaveLength(1)
    await gone
  })
})

describe('an answer that was kept from another call', () => {
  const api: RequestListener = (incoming, outgoing) => {
    const status = incoming.url === '/204' ? 204 : 200
    outgoing.writeHead(status, { 'Content-Disposition': 'attachment' })
    outgoing.end(status === 204 ? undefined : `of ${incoming.url}`)
  }

  /** The first call's is kept, and sent to the second. */
  async function keeping(keep: (c: Context) => Response, isCalled = true) {
    let kept: Response | undefined
    return await wrapped(
      [
        async (c, next) => {
          if (kept !== undefined && !isCalled) return kept
          await next()
          if (kept === undefined) kept = keep(c)
          else {
            c.res = undefined
            c.res = kept
          }
        },
      ],
      { api, finish: () => [['set-cookie', 'ours=1']] },
    )
  }

  test.each<[string, (c: Context) => Response]>([
    ['itself', (c) => c.res],
    ['as a copy', (c) => new Response(c.res.body, c.res)],
    [
      'as the copy that was sent',
      (c) => {
        c.res = new Response(c.res.body, c.res)
        return c.res
      },
    ],
  ])('%s is an error, and not the body of this one', async (_how, keep) => {
    const { url, errors } = await keeping(keep)
    expect(await (await fetch(`${url}/1`)).text()).toBe('of /1')
    const second = await fetch(`${url}/2`)
    expect([second.status, (await second.json()).code]).toEqual([500, 'internal_error'])
    expect(errors).toMatchObject([{ code: 'ANSWER_OF_ANOTHER_CALL' }])
    expect(second.headers.getSetCookie()).toEqual([])
  })

  test('itself is an error where it has no body, too', async () => {
    const { url, errors } = await keeping((c) => c.res)
    expect((await fetch(`${url}/204`)).status).toBe(204)
    expect((await fetch(`${url}/204`)).status).toBe(500)
    expect(errors).toMatchObject([{ code: 'ANSWER_OF_ANOTHER_CALL' }])
  })

  test('as a clone has its own body', async () => {
    const { url, errors } = await keeping((c) => c.res.clone())
    expect(await (await fetch(`${url}/1`)).text()).toBe('of /1')
    const second = await fetch(`${url}/2`)
    expect([second.status, await second.text()]).toEqual([200, 'of /1'])
    expect(second.headers.get('content-disposition')).toBe('attachment')
    expect(errors).toEqual([])
  })

  test('as a clone may be cloned for each call, and a document stays an attachment', async () => {
    let kept: Response | undefined
    const { url, errors } = await wrapped(
      [
        onAnswer((c) => {
          if (kept === undefined) kept = c.res.clone()
          else {
            const [sent, next] = c.req.path === '/2' ? [kept.clone(), kept] : [kept, kept.clone()]
            kept = next
            c.res = undefined
            c.res = sent
          }
        }),
      ],
      { api },
    )
    for (const path of ['/1', '/2', '/3', '/2']) {
      const response = await fetch(url + path)
      expect([response.headers.get('content-disposition'), await response.text()]).toEqual(['attachment', 'of /1'])
    }
    expect(errors).toEqual([])
  })

  test.each<[string, (c: Context) => Response]>([
    ['itself', (c) => c.res],
    ['as a copy', (c) => new Response(c.res.body, c.res)],
  ])('%s, in a call that asks no API, is nobody’s body', async (_how, keep) => {
    const { port } = await keeping(keep, false)
    await rawClient(port, 'GET /1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n').closed
    const second = await rawClient(port, 'GET /2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n').closed
    expect(second).not.toMatch(/of \/|\r\n0\r\n\r\n$|ours=1/)
  })

  test('has no cookie of ours in it, nor has an empty response that is used for each call', async () => {
    const one = new Response(null, { status: 204 })
    const kept: Response[] = []
    const { url } = await wrapped(
      [
        onAnswer((c) => {
          kept.push(c.res)
          if (c.req.path === '/itself') return
          c.res = undefined
          c.res = one
          kept.push(c.res)
        }),
      ],
      { api: (_incoming, outgoing) => void outgoing.writeHead(204).end(), finish: () => [['set-cookie', 'ours=1']] },
    )
    for (const path of ['/', '/', '/itself']) {
      expect((await fetch(url + path)).headers.getSetCookie()).toEqual(['ours=1'])
    }
    expect(kept.flatMap(({ headers }) => headers.getSetCookie())).toEqual([])
  })
})

describe('two answers of APIs in one call', () => {
  /** The second is longer, and of another kind. */
  const api =
    (ended: Record<string, () => void>): RequestListener =>
    (incoming, outgoing) => {
      const name = String(incoming.headers['x-request'])
      outgoing.once('close', () => ended[name]?.())
      const head =
        name === 'first'
          ? {
              'Content-Length': 5,
              'Content-Encoding': 'x-first',
              'Cache-Control': 'public, max-age=600',
              'X-First': '1',
            }
          : { 'Content-Length': 11, 'Content-Disposition': 'attachment', 'Cache-Control': 'no-store' }
      if (incoming.url === '/empty') {
        outgoing.writeHead(204, { 'X-Which': name }).end()
        return
      }
      outgoing.writeHead(200, { 'Content-Type': 'text/plain', 'X-Which': name, ...head })
      if (incoming.url === '/endless') outgoing.write('.')
      else outgoing.end(name === 'first' ? 'first' : 'second, too')
    }

  async function asking(choose: (c: Context, first: Response, second: Response) => unknown) {
    const ended = { first: deferred(), second: deferred() }
    const { origin } = await upstream(api({ first: ended.first.resolve, second: ended.second.resolve }))
    const runtime = testRuntime()
    const app = new Hono()
    app.all('*', async (c) => {
      const ask = async (name: string) => {
        const answer = await runtime.transport.send({
          ...{
            origin,
            target: runtime.requestTarget(c),
            method: c.req.method,
            body: null,
            signal: runtime.clientSignal(c),
          },
          ...{ headers: [['x-request', name]], headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000 },
        })
        return runtime.respond(c, answer, answer.body, () => [['set-cookie', `of=${name}`]])
      }
      c.res = await ask('first')
      const answer = await choose(c, c.res, await ask('second'))
      if (answer instanceof Response) c.res = answer
      return c.res
    })
    return { ...(await serving(app)), ended }
  }

  test.each<[string, (c: Context, first: Response, second: Response) => Response | undefined]>([
    ['itself', (_c, _first, second) => second],
    ['in a copy', (_c, _first, second) => new Response(second.body, second)],
    [
      'after c.res = undefined',
      (c, _first, second) => {
        c.res = undefined
        c.res = second
        return undefined
      },
    ],
  ])('the second in the place of the first, %s, is sent as it came', async (_how, choose) => {
    const { url } = await asking(choose)
    const response = await fetch(url)
    expect(await response.text()).toBe('second, too')
    const { headers } = response
    expect(
      ['x-which', 'content-length', 'content-encoding', 'content-disposition', 'cache-control', 'x-first'].map((name) =>
        headers.get(name),
      ),
    ).toEqual(['second', '11', null, 'attachment', 'no-store', null])
    expect(headers.getSetCookie()).toEqual(['of=second'])
  })

  test('the first all the same is sent as it came', async () => {
    const { url } = await asking((_c, first) => first)
    const response = await fetch(url)
    expect([await response.text(), response.headers.get('content-length')]).toEqual(['first', '5'])
    expect(response.headers.getSetCookie()).toEqual(['of=first'])
  })

  test('of two without a body that which is taken is sent', async () => {
    const { url } = await asking((c, first) => {
      c.res = undefined
      c.res = first
    })
    const { status, headers } = await fetch(`${url}/empty`)
    expect([status, headers.get('x-which')]).toEqual([204, 'first'])
    expect(headers.getSetCookie()).toEqual(['of=first'])
  })

  test('what is made of the first is that one’s', async () => {
    const { url } = await asking(async (c, first) => c.text((await first.text()).toUpperCase()))
    const response = await fetch(url)
    expect([await response.text(), response.headers.get('content-encoding')]).toEqual(['FIRST', 'x-first'])
    expect(response.headers.getSetCookie()).toEqual(['of=first'])
  })

  test('a clone of the one has its fields, although the other was read', async () => {
    const { url } = await asking(async (c, first, second) => {
      const clone = second.clone()
      await first.text()
      c.res = undefined
      c.res = clone
    })
    const response = await fetch(url)
    expect(await response.text()).toBe('second, too')
    expect([response.headers.get('content-disposition'), response.headers.get('x-which')]).toEqual([
      'attachment',
      'second',
    ])
    expect(response.headers.getSetCookie()).toEqual(['of=second'])
  })

  test('and the other is let go', async () => {
    const { port, ended } = await asking((_c, _first, second) => second)
    const client = rawClient(port, 'GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/x-which: second\r\n/)
    await ended.first.promise
    client.socket.destroy()
    await ended.second.promise
  })

  test('in the place of both, an answer has no field about the body of either', async () => {
    const { url } = await asking((c, _first, second) => {
      c.res = second
      return c.text('mine')
    })
    const response = await fetch(url)
    expect([await response.text(), response.headers.get('content-length')]).toEqual(['mine', '4'])
    expect(response.headers.get('content-encoding')).toBeNull()
    expect(response.headers.get('content-disposition')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('no-store')
  })
})

test('twenty answers of APIs in one call listen to its client once, and all are let go', async () => {
  let over = 0
  const all = deferred()
  const { origin } = await upstream((_incoming, outgoing) => {
    outgoing.once('close', () => ++over === 20 && all.resolve())
    outgoing.writeHead(200, { 'Content-Type': 'text/plain' }).write('.')
  })
  const api = forwarding(testRuntime(), origin)
  const listeners = deferred<number>()
  const app = new Hono<{ Bindings: HttpBindings }>().get('*', async (c) => {
    const { outgoing } = c.env
    outgoing.prependListener('close', () => listeners.resolve(outgoing.listenerCount('close')))
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => api.request(`/${index}`, {}, c.env)))
    await Promise.all(answers.map((answer) => answer.body?.getReader().read()))
    return c.text('made of all of them')
  })
  expect(await (await fetch((await serving(app as never)).url)).text()).toBe('made of all of them')
  // Node warns of the eleventh.
  expect(await listeners.promise).toBeLessThan(10)
  await all.promise
})

describe('an API’s answer that is not wanted', () => {
  test.each<[string, MiddlewareHandler[]]>([
    ['after a look', [onAnswer((c) => void c.res.body)]],
    ['under cors()', [copying]],
    ['after compress()', [compress({ threshold: 1 })]],
    [
      'while a clone is read',
      [
        onAnswer(
          (c) =>
            void c.res
              .clone()
              .text()
              .catch(() => undefined),
        ),
        compress({ threshold: 1 }),
      ],
    ],
    ['while it is read itself', [onAnswer((c) => void c.res.text().catch(() => undefined))]],
  ])('is let go, %s', async (_how, middleware) => {
    const { api, gone } = endless()
    const { url } = await wrapped([onAnswer((c) => c.text('no', 403)), ...middleware], { api })
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
    expect([response.status, response.headers.get('content-length')]).toEqual([403, '2'])
    await gone
  })

  test.each([403, 200] as const)('is whole for who reads a clone of it, under a %d', async (status) => {
    const log = deferred<string>()
    const { api, begun } = endless({ 'Content-Type': 'application/json' })
    const { url } = await wrapped(
      [
        onAnswer((c) => {
          void c.res.clone().text().then(log.resolve)
          c.res = c.text('no', status)
        }),
      ],
      { api },
    )
    expect(await (await fetch(url)).text()).toBe('no')
    ;(await begun).end('and the rest')
    expect(await log.promise).toBe('data: 1\n\nand the rest')
  })

  test('is let go, an event stream, whoever reads a clone of it', async () => {
    const { api, gone } = endless({ 'Content-Type': 'text/event-stream' })
    const { url } = await wrapped(
      [
        onAnswer((c) => {
          void c.res
            .clone()
            .text()
            .catch(() => undefined)
          return c.text('no', 403)
        }),
      ],
      { api },
    )
    expect((await fetch(url)).status).toBe(403)
    await gone
  })

  test('is let go at the end of an answer that was not made of it after all', async () => {
    const { api, gone } = endless()
    const { url } = await wrapped([onAnswer((c) => c.text('something else')), compress({ threshold: 1 })], {
      api,
    })
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
    expect(response.headers.get('content-length')).toBeNull()
    await response.arrayBuffer().catch(() => undefined)
    await gone
  })
})
