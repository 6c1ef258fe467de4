/** An upstream's answer that a handler asked for and did not read: its place is given back. */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, expect, test, vi } from 'vitest'
import type { PipedBody } from '../../src/node/piped-body.ts'
import type { UpstreamRequest } from '../../src/runtime.ts'
import { closeEverything, deferred, serving, testRuntime, upstream } from './loopback.ts'

afterEach(closeEverything)

/** More than waits here unread, so that the upstream is held up. */
const large = Buffer.alloc(512 * 1024, 'x')

async function place(changes: Partial<UpstreamRequest> = {}) {
  const { origin } = await upstream((_incoming, outgoing) => outgoing.end(large))
  const runtime = testRuntime({ transport: { connections: 1 } })
  const ask = (signal: UpstreamRequest['signal']) =>
    runtime.transport.send({
      ...{ origin, target: '/', method: 'GET', headers: [], body: null, signal },
      ...{ headersTimeoutMs: 2000, bodyTimeoutMs: 2000 },
      ...changes,
    })
  return { runtime, ask }
}

test('one after another, each at the end of the answer that it was asked for', async () => {
  const { runtime, ask } = await place()
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const { body, status } = await ask(runtime.clientSignal(c))
    void body?.stream()
    return c.text(`${status}`)
  })
  const { port } = await serving(app as never)
  for (let call = 0; call < 5; call++) {
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('200')
  }
})

test('with its time, where the answer was over before', async () => {
  const { runtime, ask } = await place({ bodyTimeoutMs: 50 })
  const done = deferred<number>()
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', (c) => {
    const signal = runtime.clientSignal(c)
    c.env.outgoing.once('close', async () => {
      const { body } = await ask(signal)
      void body?.stream()
      done.resolve((await ask(signal)).status)
    })
    return c.text('answered')
  })
  const { port } = await serving(app as never)
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  expect(await done.promise).toBe(200)
})

test('with its time, where the answer is over and somebody has read a part of it', async () => {
  const { runtime, ask } = await place({ bodyTimeoutMs: 50 })
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const { body, status } = await ask(runtime.clientSignal(c))
    await body?.stream().getReader().read()
    return c.text(`${status}`)
  })
  const { port } = await serving(app as never)
  for (let call = 0; call < 2; call++) {
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('200')
  }
})

test('at once, where its web stream is cancelled', async () => {
  const { runtime, ask } = await place()
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const signal = runtime.clientSignal(c)
    await (await ask(signal)).body?.stream().cancel()
    return c.text(`${(await ask(signal)).status}`)
  })
  const { port } = await serving(app as never)
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('200')
})

test('and who waits for more of one that is let go is told', async () => {
  const { origin } = await upstream((_incoming, outgoing) => void outgoing.write('part'))
  const { runtime, ask } = await place({ origin })
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const { body } = await ask(runtime.clientSignal(c))
    const reader = body?.stream().getReader()
    await reader?.read()
    const next = reader?.read()
    body?.cancel()
    return c.text(String(await next?.catch((error: Error) => error.name)))
  })
  const { port } = await serving(app as never)
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('AbortError')
})

test('but what somebody reads is whole, although the answer is over', async () => {
  const { runtime, ask } = await place()
  const read = deferred<number>()
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const { body } = await ask(runtime.clientSignal(c))
    const reader = body?.stream().getReader()
    c.env.outgoing.once('close', async () => {
      let bytes = 0
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
        bytes += part.value.byteLength
      read.resolve(bytes)
    })
    return c.text('answered')
  })
  const { port } = await serving(app as never)
  await (await fetch(`http://127.0.0.1:${port}/`)).text()
  expect(await read.promise).toBe(large.byteLength)
})

test('but what goes past its web stream is not unread, however slowly it is taken', async () => {
  const { runtime, ask } = await place()
  const ended = deferred<number>()
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const body = (await ask(runtime.clientSignal(c))).body as PipedBody
    const web = body.stream()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let bytes = 0
    body.pipe({
      write(chunk) {
        bytes += chunk.byteLength
        return false
      },
      end: () => ended.resolve(bytes),
      fail: () => ended.resolve(0),
    })
    vi.advanceTimersByTime(10_000)
    vi.useRealTimers()
    await web.cancel()
    for (let turn = 0; turn < 100; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      body.resume()
    }
    return c.text(String(await ended.promise))
  })
  const { port } = await serving(app as never)
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe(String(large.byteLength))
})

test('and many calls of one handler listen to its client once', async () => {
  const { runtime, ask } = await place()
  const app = new Hono<{ Bindings: HttpBindings }>().get('/', async (c) => {
    const signal = runtime.clientSignal(c)
    for (let call = 0; call < 12; call++) (await ask(signal)).body?.cancel()
    return c.text(`${c.env.outgoing.listenerCount('close')}`)
  })
  const { port } = await serving(app as never)
  expect(Number(await (await fetch(`http://127.0.0.1:${port}/`)).text())).toBeLessThan(5)
})
