import { createHash } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { secureHeaders } from 'hono/secure-headers'
import { timing } from 'hono/timing'
import { afterEach, describe, expect, test } from 'vitest'
import { CoatcheckError } from '../../src/errors.ts'
import type { HeaderList } from '../../src/runtime.ts'
import {
  bodyText,
  closeEverything,
  deferred,
  forwarding,
  gushingUpstream,
  rawClient,
  rawUpstream,
  serving,
  testRuntime,
  upstream,
} from './loopback.ts'

afterEach(closeEverything)

const json = '{"orders":[]}'

async function jsonUpstream() {
  return upstream((_incoming, outgoing) => {
    outgoing.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': json.length, 'X-From': 'api' })
    outgoing.end(json)
  })
}

/** An app with a middleware around what forwards. */
async function wrapped(
  middleware: Parameters<Hono['use']>[1],
  finish?: () => HeaderList | Promise<HeaderList>,
): Promise<string> {
  const { origin } = await jsonUpstream()
  const app = new Hono()
  app.use('*', middleware)
  app.route('/', forwarding(testRuntime(), origin, finish === undefined ? {} : { finish }))
  return (await serving(app)).url
}

describe('middleware after the handler', () => {
  test('sets fields with c.header() and cookies with setCookie()', async () => {
    const url = await wrapped(async (c, next) => {
      await next()
      c.header('X-After', 'yes')
      setCookie(c, 'one', '1')
      setCookie(c, 'two', '2')
    })
    const response = await fetch(url)
    expect(response.headers.get('x-after')).toBe('yes')
    expect(response.headers.get('x-from')).toBe('api')
    expect(response.headers.getSetCookie()).toEqual(['one=1; Path=/', 'two=2; Path=/'])
    expect(await response.text()).toBe(json)
  })

  test('leaves the other fields as the API sent them, line by line and in their order', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeHead(200, ['X-Two', '2', 'Link', '</a>', 'Link', '</b>', 'X-One', '1'])
      outgoing.end()
    })
    const app = new Hono()
    app.use('*', async (c, next) => {
      await next()
      c.header('X-After', 'yes')
    })
    app.route('/', forwarding(testRuntime(), origin))
    const { port } = await serving(app)
    const { closed } = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(await closed).toMatch(/\r\nx-two: 2\r\nlink: <\/a>\r\nlink: <\/b>\r\nx-one: 1\r\n(.*\r\n)*x-after: yes\r\n/)
  })

  test('reads the status and the fields of the answer, and changes them in place', async () => {
    let seen = ''
    const url = await wrapped(async (c, next) => {
      await next()
      seen = `${c.res.status} ${c.res.headers.get('x-from')}`
      c.res.headers.delete('x-from')
      c.res = new Response(c.res.body, { status: 203, headers: c.res.headers })
    })
    const response = await fetch(url)
    expect(seen).toBe('200 api')
    expect(response.status).toBe(203)
    expect(response.headers.has('x-from')).toBe(false)
    expect(await response.text()).toBe(json)
  })

  test.each<[string, (c: Context) => Response]>([
    ['new Response()', (c) => new Response(c.res.body, c.res)],
    ['clone()', (c) => c.res.clone()],
    ['new Response() of a clone', (c) => new Response(c.res.clone().body, c.res)],
    ['c.newResponse()', (c) => c.newResponse(c.res.body)],
  ])('puts a copy in its place with %s, and the body is sent', async (_how, copy) => {
    const url = await wrapped(async (c, next) => {
      await next()
      c.res = copy(c)
      c.header('x-after', 'yes')
    })
    const response = await fetch(url)
    expect([response.headers.get('x-from'), response.headers.get('x-after')]).toEqual(['api', 'yes'])
    expect(await response.text()).toBe(json)
  })

  test('changes the type of an answer that another middleware had copied, and the body is sent', async () => {
    const { origin } = await jsonUpstream()
    const app = new Hono()
    app.use('*', cors({ origin: 'https://other.example' }), async (c, next) => {
      await next()
      c.header('content-type', 'application/vnd.orders+json')
    })
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url)
    expect(response.headers.get('content-type')).toBe('application/vnd.orders+json')
    expect(await response.text()).toBe(json)
  })

  test('cors() adds its fields', async () => {
    const response = await fetch(await wrapped(cors({ origin: 'https://other.example' })), {
      headers: { origin: 'https://other.example' },
    })
    expect(response.headers.get('access-control-allow-origin')).toBe('https://other.example')
    expect(await response.text()).toBe(json)
  })

  test('secureHeaders() adds its fields', async () => {
    const response = await fetch(await wrapped(secureHeaders()))
    expect(response.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect(await response.text()).toBe(json)
  })

  test('timing() adds its field', async () => {
    const response = await fetch(await wrapped(timing()))
    expect(response.headers.get('server-timing')).toContain('total')
    expect(await response.text()).toBe(json)
  })

  test('etag() that finds the tag of the API answers 304, and the body is not wanted', async () => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.writeHead(200, { etag: '"1"' })
      outgoing.write('an endless body')
    })
    const app = new Hono().use('*', etag())
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url, { headers: { 'if-none-match': '"1"' } })
    expect(response.status).toBe(304)
    await gone.promise
  })

  test.each([
    ['anew', () => new Response('mine')],
    ['under the old head', (old: Response) => new Response('mine', old)],
  ])('that answers itself (%s) is what the client gets; the body of the API is cancelled', async (_name, answer) => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.writeHead(200, { 'content-length': json.length }).write('{')
    })
    const app = new Hono()
    app.use('*', async (c, next) => {
      await next()
      const old = c.res
      c.res = undefined
      c.res = answer(old)
    })
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url)
    expect(await response.text()).toBe('mine')
    expect([...response.headers.keys()].filter((name) => name.startsWith('x-'))).toEqual([])
    await gone.promise
  })

  test('that throws gives an error, and the body of the API is cancelled', async () => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.write('endless')
    })
    const app = new Hono()
    app.onError((_error, c) => c.text('sorry', 500))
    app.use('*', async (_c, next) => {
      await next()
      throw new Error('after')
    })
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url)
    expect([response.status, await response.text()]).toEqual([500, 'sorry'])
    await gone.promise
  })
})

describe('an answer in the place of the API’s', () => {
  /** What the API says, all of it of its own body. */
  const fields = {
    'Content-Length': json.length,
    'Content-Encoding': 'br',
    'Cache-Control': 'public, max-age=600',
    ETag: '"1"',
    'Last-Modified': 'Sat, 01 Jan 2000 00:00:00 GMT',
    'Content-Type': 'application/json',
    'Content-Disposition': 'attachment',
    'X-From': 'api',
  }
  const withFields: RequestListener = (_incoming, outgoing) => void outgoing.writeHead(200, fields).end(json)
  /** Two requests on one connection: all that comes back. */
  async function twice(replace: (c: Context) => Response, api = withFields): Promise<string> {
    const { origin } = await upstream(api)
    const app = new Hono()
    app.use('/first', async (c, next) => {
      await next()
      c.res = replace(c)
    })
    app.route('/', forwarding(testRuntime(), origin))
    const { port } = await serving(app)
    const first = 'GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n'
    return await rawClient(port, `${first}GET /second HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`).closed
  }
  const throwing = () => {
    throw new Error('after')
  }

  test.each<[string, (c: Context) => Response, number, string]>([
    [
      'is longer',
      (c) => c.text('no order has this name, and no other has', 404),
      404,
      'no order has this name, and no other has',
    ],
    ['is shorter', (c) => c.json({}), 200, '{}'],
    ['is an error of the app', throwing, 500, 'Internal Server Error'],
    ['is nothing', (c) => c.body(null, 403), 403, ''],
    ['is nothing, with the status of the API', (c) => c.body(null), 200, ''],
    ['is nothing, after a look at the body', (c) => c.body(null, c.res.body === null ? 200 : 403), 403, ''],
    ['leads elsewhere, after a look at the body', (c) => c.redirect(c.res.body === null ? '/' : '/pay'), 302, ''],
  ])('that %s ends where it ends, and the next one is whole', async (_what, replace, status, text) => {
    const all = await twice(replace)
    const head = all.slice(0, all.indexOf('\r\n\r\n') + 4)
    const isChunked = /^transfer-encoding: chunked$/im.test(head)
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1])
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(isChunked ? '' : all.slice(head.length, head.length + length)).toBe(text)
    const next = all.slice(head.length + (isChunked ? '0\r\n\r\n'.length : length))
    expect(next).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(next.split('\r\n\r\n')[1]).toBe(json)
  })

  test('has nothing that the API said of its own body, and keeps the rest', async () => {
    const [first = ''] = (await twice((c) => c.text('mine'))).split('\r\n\r\n')
    expect(first).toMatch(/^x-from: api$/m)
    expect(first).toMatch(/^cache-control: no-store$/m)
    expect(first).not.toMatch(/^(content-encoding|content-disposition|etag|last-modified):/m)
  })

  test('that is a 304 keeps what it is about (RFC 9110 §15.4.5)', async () => {
    const [first = ''] = (await twice(() => new Response(null, { status: 304 }))).split('\r\n\r\n')
    expect(first).toMatch(/^HTTP\/1\.1 304 /)
    expect(first).toMatch(/^etag: "1"$/m)
    expect(first).toMatch(/^cache-control: public, max-age=600$/m)
  })

  test('keeps what the middleware says of it', async () => {
    const all = await twice((c) => {
      c.res = c.text('mine')
      c.header('ETag', '"2"')
      c.header('Cache-Control', 'max-age=5')
      return c.res
    })
    expect(all).toMatch(/^etag: "2"\r\n/m)
    expect(all).toMatch(/^cache-control: max-age=5\r\n/m)
  })

  test('has our cookies once, and what they bring with them', async () => {
    const url = await wrapped(
      async (c, next) => {
        await next()
        c.res = c.text('mine')
      },
      () => [
        ['set-cookie', 'ours=1; Path=/'],
        ['cache-control', 'private, no-store'],
      ],
    )
    const response = await fetch(url)
    expect(await response.text()).toBe('mine')
    expect(response.headers.getSetCookie()).toEqual(['ours=1; Path=/'])
    expect(response.headers.get('cache-control')).toBe('private, no-store')
  })

  test('has no field of which the API sent several lines about its body', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeHead(200, ['Content-Language', 'de', 'Content-Language', 'en']).end(json)
    })
    const app = new Hono()
    app.use('*', async (c, next) => {
      await next()
      c.res = c.text('mine')
    })
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url)
    expect([await response.text(), response.headers.get('content-language')]).toEqual(['mine', null])
  })

  test('of a 304 that says how long the body would be has a length of its own', async () => {
    const all = await twice(
      (c) => c.body(null, 200),
      (incoming, outgoing) => {
        const isFirst = incoming.url === '/first'
        outgoing.writeHead(isFirst ? 304 : 200, { 'Content-Length': isFirst ? 50 : json.length })
        outgoing.end(isFirst ? undefined : json)
      },
    )
    expect(all).not.toMatch(/^content-length: 50$/im)
    expect(all.slice(all.lastIndexOf('\r\n\r\n') + 4)).toBe(json)
  })

  test('that came first, by a timeout, lets go of the API’s when that comes', async () => {
    const [asked, answer, gone] = [deferred(), deferred(), deferred()]
    const { origin } = await upstream(async (_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      asked.resolve()
      await answer.promise
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: late\n\n')
    })
    const app = new Hono()
    app.use('*', async (c, next) => {
      // As `timeout()` of hono does: it waits for the first of two.
      await Promise.race([next(), asked.promise])
      c.res = c.text('too late', 504)
    })
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url)
    expect([response.status, await response.text()]).toEqual([504, 'too late'])
    answer.resolve()
    await gone.promise
  })
})

describe('the head', () => {
  test('carries what finish() gives: cookies are added, other fields replace', async () => {
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.writeHead(200, { 'cache-control': 'public', 'set-cookie': 'theirs=1' }).end('x')
    })
    const finish = async (): Promise<HeaderList> => [
      ['set-cookie', 'ours=1'],
      ['set-cookie', 'ours=2'],
      ['cache-control', 'private, no-store'],
    ]
    const response = await fetch((await serving(forwarding(testRuntime(), origin, { finish }))).url)
    expect(response.headers.getSetCookie()).toEqual(['theirs=1', 'ours=1', 'ours=2'])
    expect(response.headers.get('cache-control')).toBe('private, no-store')
  })

  test('is decided after every middleware', async () => {
    const order: string[] = []
    const url = await wrapped(
      async (_c, next) => {
        await next()
        order.push('middleware')
      },
      () => {
        order.push('finish')
        return []
      },
    )
    await fetch(url)
    expect(order).toEqual(['middleware', 'finish'])
  })

  test('whose finish() fails is a plain 500, told to the log alone', async () => {
    const { origin } = await jsonUpstream()
    const errors: unknown[] = []
    const failure = new Error('secret detail')
    const app = forwarding(testRuntime(), origin, { finish: () => Promise.reject(failure) })
    const response = await fetch((await serving(app, { onError: (error) => errors.push(error) })).url)
    expect(response.status).toBe(500)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.text()).not.toContain('secret detail')
    expect(errors).toEqual([failure])
  })

  test('whose finish() says what is wrong is that problem', async () => {
    const { origin } = await jsonUpstream()
    const finish = () => Promise.reject(new CoatcheckError('store_unavailable', { headers: { 'Retry-After': '5' } }))
    const app = forwarding(testRuntime(), origin, { finish })
    const response = await fetch((await serving(app, { onError: () => {} })).url)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toMatchObject({ code: 'store_unavailable' })
  })

  test('shows nothing of how it was kept', async () => {
    const { origin } = await upstream((_incoming, outgoing) => void outgoing.end('body'))
    const response = await fetch((await serving(forwarding(testRuntime(), origin))).url)
    expect([...response.headers.keys()].toSorted()).toEqual(['connection', 'content-length', 'date', 'keep-alive'])
    expect(await response.text()).toBe('body')
  })

  test('has no fields of the connection to the API', async () => {
    const origin = await rawUpstream((socket) => {
      socket.once('data', () => {
        socket.end(
          'HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=1\r\nTransfer-Encoding: chunked\r\n' +
            'Trailer: X-Evil\r\nUpgrade: h2c\r\n\r\n2\r\nok\r\n0\r\nX-Evil: 1\r\n\r\n',
        )
      })
    })
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const answer = (await client.until(/\r\n0\r\n\r\n$/)).toLowerCase()
    expect(answer).toContain('connection: keep-alive')
    expect(answer).not.toMatch(/timeout=1\r|trailer|upgrade|x-evil/)
  })

  test('goes ahead of a body that is not there yet', async () => {
    const go = deferred()
    const { origin } = await upstream(async (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      await go.promise
      outgoing.end('data: 1\n\n')
    })
    const response = await fetch((await serving(forwarding(testRuntime(), origin))).url)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    go.resolve()
    expect(await response.text()).toBe('data: 1\n\n')
  })
})

describe('an answer without a body', () => {
  test('to HEAD keeps its whole head', async () => {
    const { origin } = await jsonUpstream()
    const { port } = await serving(forwarding(testRuntime(), origin, { finish: () => [['set-cookie', 'a=1']] }))
    const client = rawClient(port, 'HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const answer = await client.closed
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer).toContain(`content-length: ${json.length}\r\n`)
    expect(answer).toContain('set-cookie: a=1\r\n')
    expect(answer.endsWith('\r\n\r\n')).toBe(true)
  })

  test('HEAD on a kept connection leaves it in order for the next request', async () => {
    const { origin } = await jsonUpstream()
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/\r\n\r\n$/)
    client.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect((await client.closed).match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
  })

  test.each([204, 304])('%d keeps its fields and has no length of its own', async (status) => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.writeHead(status, { etag: '"1"' }).end())
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const answer = await client.closed
    expect(answer).toContain(`HTTP/1.1 ${status} `)
    expect(answer).toContain('etag: "1"')
    expect(answer).not.toMatch(/content-length|transfer-encoding/i)
    expect(answer.endsWith('\r\n\r\n')).toBe(true)
  })
})

describe('a body', () => {
  // Of these sizes some are written as a text with the head, and some as bytes beside it.
  test.each([
    ['with its length', true],
    ['in chunks', false],
  ])('of any bytes arrives as it was sent, %s', async (_how, hasLength) => {
    const { origin } = await upstream((incoming, outgoing) => {
      const length = Number(incoming.url?.slice(1))
      outgoing.writeHead(200, hasLength ? { 'Content-Length': length } : {})
      outgoing.write(everyByte(length))
      outgoing.end()
    })
    const { url } = await serving(forwarding(testRuntime(), origin))
    for (const length of [1, 256, 4096, 12 * 1024, 12 * 1024 + 1, 60_000]) {
      const response = await fetch(`${url}/${length}`)
      expect(response.headers.get('content-length')).toBe(hasLength ? String(length) : null)
      expect(Buffer.from(await response.arrayBuffer()).equals(everyByte(length))).toBe(true)
    }
  })

  test('of many megabytes arrives as it was sent', async () => {
    const body = Buffer.alloc(5 * 1024 * 1024, 'coatcheck')
    const { origin } = await upstream((_incoming, outgoing) => outgoing.end(body))
    const response = await fetch((await serving(forwarding(testRuntime(), origin))).url)
    const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
    expect(hash(new Uint8Array(await response.arrayBuffer()))).toBe(hash(body))
  })

  test('of a megabyte goes up as it was sent, with its length', async () => {
    const body = Buffer.alloc(1024 * 1024, 'up')
    const { origin } = await upstream(async (incoming, outgoing) => {
      const hash = createHash('sha256')
      for await (const chunk of incoming) hash.update(chunk)
      outgoing.end(`${incoming.headers['content-length']} ${hash.digest('hex')}`)
    })
    const { url } = await serving(forwarding(testRuntime(), origin))
    const response = await fetch(url, { method: 'POST', body })
    expect(await response.text()).toBe(`${body.byteLength} ${createHash('sha256').update(body).digest('hex')}`)
  })

  test.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'],
  ])('that breaks off (%s) breaks the client off, and never looks whole', async (_name, sent) => {
    const origin = await rawUpstream((socket) => {
      socket.once('data', () => socket.write(sent))
      socket.on('end', () => socket.end())
      setImmediateAfterWrite(socket)
    })
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const answer = await client.closed
    expect(answer).not.toContain('\r\n0\r\n\r\n')
    expect(answer).not.toContain('Error')
  })

  test('that breaks off while it waits behind another of its connection breaks that off, after the other', async () => {
    const first = deferred<ServerResponse>()
    const { origin } = await upstream((incoming, outgoing) => {
      if (incoming.url === '/first') return first.resolve(outgoing)
      outgoing.writeHead(200).write('part')
      setImmediate(() => outgoing.destroy())
    })
    const broken = deferred()
    const app = new Hono<{ Bindings: HttpBindings }>().use('/second', async (c, next) => {
      c.env.outgoing.once('close', () => broken.resolve())
      await next()
    })
    app.route('/', forwarding(testRuntime(), origin) as never)
    const { port } = await serving(app as never)
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
    const client = rawClient(port, get('/first') + get('/second'))
    await broken.promise
    ;(await first.promise).writeHead(200, { 'Content-Length': 5 }).end('first')
    const all = await client.closed
    expect(all).toContain('\r\n\r\nfirst')
    expect(all).not.toContain('\r\n0\r\n\r\n')
  })

  test('is held back when the client does not read', async () => {
    const { origin, stopped, written } = await gushingUpstream()
    const { port } = await serving(forwarding(testRuntime(), origin), { limits: { stallTimeoutMs: 300 } })
    const client = rawClient(port)
    client.socket.pause()
    client.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    // The one who takes nothing is cut off, and until then only the sockets' buffers were filled.
    await stopped
    expect(written()).toBeLessThan(64 * 1024 * 1024)
  })
})

describe('a client that leaves', () => {
  test('before the head takes the call to the API with it', async () => {
    const arrived = deferred()
    const gone = deferred()
    const { origin } = await upstream((incoming) => {
      incoming.once('close', () => gone.resolve())
      arrived.resolve()
    })
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await arrived.promise
    client.socket.destroy()
    await gone.promise
  })

  test('while the head is being decided takes the body with it', async () => {
    const deciding = deferred()
    const decided = deferred<HeaderList>()
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.write('endless')
    })
    const finish = () => {
      deciding.resolve()
      return decided.promise
    }
    const { port } = await serving(forwarding(testRuntime(), origin, { finish }))
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await deciding.promise
    client.socket.destroy()
    await gone.promise
    decided.resolve([])
  })

  test('in the middle of the body takes the rest with it', async () => {
    const gone = deferred()
    const { origin } = await upstream((_incoming, outgoing) => {
      outgoing.once('close', () => gone.resolve())
      outgoing.write('part')
    })
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await client.until(/part/)
    client.socket.destroy()
    await gone.promise
  })

  test('in the middle of its upload takes the call to the API with it', async () => {
    const arrived = deferred()
    const gone = deferred()
    const { origin } = await upstream((incoming) => {
      incoming.once('data', () => arrived.resolve())
      incoming.once('close', () => gone.resolve())
    })
    const { port } = await serving(forwarding(testRuntime(), origin))
    const client = rawClient(port, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npart')
    await arrived.promise
    client.socket.destroy()
    await gone.promise
  })
})

describe('an upload', () => {
  test('that is refused early gets its answer, and the connection serves the next request', async () => {
    const { origin } = await upstream((incoming, outgoing) => {
      if (incoming.method === 'POST') outgoing.writeHead(413).end('too much')
      else outgoing.end('next')
    })
    const { port } = await serving(forwarding(testRuntime(), origin))
    const size = 4 * 1024 * 1024
    const client = rawClient(port, `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n.`)
    await client.until(/too much/)
    client.socket.write(Buffer.alloc(size - 1))
    client.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(await client.closed).toMatch(/413[\s\S]*too much[\s\S]*200 OK[\s\S]*next/)
  })

  test('that stands still is cut off', async () => {
    const gone = deferred()
    const { origin } = await upstream((incoming) => {
      incoming.resume()
      incoming.once('close', () => gone.resolve())
    })
    const { port } = await serving(forwarding(testRuntime({ stallTimeoutMs: 50 }), origin))
    const client = rawClient(port, 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npart')
    await client.closed
    await gone.promise
  })

  test('with a GET that nobody reads does not become the next request', async () => {
    const { origin } = await upstream((_incoming, outgoing) => outgoing.end('ok'))
    const { port } = await serving(forwarding(testRuntime(), origin))
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const client = rawClient(
      port,
      `GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${smuggled.length + 1}\r\n\r\n.`,
    )
    await client.until(/ok/)
    client.socket.write(smuggled)
    expect((await client.closed).match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  test('that a middleware has read already is an error, not a call that hangs', async () => {
    const { origin } = await jsonUpstream()
    const app = new Hono()
    app.onError((error, c) => c.text('code' in error ? String(error.code) : 'other', 500))
    app.use('*', async (c, next) => {
      await c.req.text()
      await next()
    })
    app.route('/', forwarding(testRuntime(), origin))
    const response = await fetch((await serving(app)).url, { method: 'POST', body: 'read' })
    expect(await response.text()).toBe('internal_error')
  })
})

test('requests at once do not mix their heads, whatever order they end in', async () => {
  const waiting = new Map<string, () => void>()
  const bothThere = deferred()
  const { origin } = await upstream((incoming, outgoing) => {
    const name = String(incoming.headers['x-request'])
    waiting.set(name, () => outgoing.writeHead(200, { 'x-answer': name }).end(name))
    if (waiting.size === 2) bothThere.resolve()
  })
  const app = new Hono()
  app.use('*', async (c, next) => {
    await next()
    c.header(`x-only-${c.req.header('x-request')}`, '1')
    setCookie(c, String(c.req.header('x-request')), '1')
  })
  app.route('/', forwarding(testRuntime(), origin))
  const { url } = await serving(app)
  const answers = ['a', 'b'].map((name) => fetch(url, { headers: { 'x-request': name } }))
  await bothThere.promise
  waiting.get('b')?.()
  waiting.get('a')?.()
  for (const [index, name] of ['a', 'b'].entries()) {
    const response = (await answers[index]) as Response
    expect(response.headers.get('x-answer')).toBe(name)
    expect([...response.headers.keys()].filter((key) => key.startsWith('x-only'))).toEqual([`x-only-${name}`])
    expect(response.headers.getSetCookie()).toEqual([`${name}=1; Path=/`])
    expect(await response.text()).toBe(name)
  }
  expect([...RESPONSE_ALREADY_SENT.headers.keys()]).toEqual(['x-hono-already-sent'])
})

test('a body that somebody wrapped is sent too, and cut when it breaks', async () => {
  const runtime = testRuntime()
  const app = new Hono()
  const wrappedBody = (chunks: (string | Error)[]) => ({
    stream: () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          const chunk = chunks.shift()
          if (chunk instanceof Error) controller.error(chunk)
          else if (chunk === undefined) controller.close()
          else controller.enqueue(Buffer.from(chunk))
        },
      }),
    cancel() {},
  })
  app.get('/whole', (c) => runtime.respond(c, { status: 200, headers: [] }, wrappedBody(['a', 'b']), () => []))
  app.get('/broken', (c) =>
    runtime.respond(c, { status: 200, headers: [] }, wrappedBody(['a', new Error('broken')]), () => []),
  )
  const { url } = await serving(app)
  expect(await (await fetch(`${url}/whole`)).text()).toBe('ab')
  await expect(fetch(`${url}/broken`).then((response) => response.text())).rejects.toThrow()
})

test('under a server of somebody else the same handler streams', async () => {
  const { origin } = await upstream(async (incoming, outgoing) => {
    outgoing.writeHead(200, { 'x-from': 'api' }).end(`got ${await bodyText(incoming)}`)
  })
  const runtime = testRuntime()
  const finish = (): HeaderList => [['set-cookie', 'ours=1']]
  const response = await forwarding(runtime, origin, { finish }).request('http://localhost/', {
    method: 'POST',
    body: 'web',
  })
  expect(await response.text()).toBe('got web')
  expect(response.headers.getSetCookie()).toEqual(['ours=1'])
})

/** Ends the connection once what was written has gone out. */
function setImmediateAfterWrite(socket: import('node:net').Socket): void {
  socket.once('data', () => setImmediate(() => socket.end()))
}

function everyByte(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => index % 256))
}
