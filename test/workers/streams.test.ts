import { once } from 'node:events'
import { request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { defaultRoutes, type System, startSystem } from '../support/system.ts'

let system: System
let browser: UserAgent
beforeAll(async () => {
  system = await startSystem({ accessTokenSeconds: 60, routes: defaultRoutes })
})
afterAll(() => system.stop())
beforeEach(async () => {
  browser = await system.signedIn()
  system.upstream.reset()
  system.provider.token.forget()
})

/** A call of this browser on a connection of its own, which can be cut. */
function rawCall(path: string, method = 'GET') {
  const headers = { 'X-CSRF': '1', Cookie: browser.cookies.header(system.origin) ?? '' }
  const call = request(system.origin + path, { method, headers, agent: false })
  // Cutting it is what the test does.
  call.on('error', () => undefined)
  return call
}

describe('an event stream', () => {
  it('comes event by event, each before the next is sent', async () => {
    const steps = Array.from({ length: 4 }, () => Promise.withResolvers<void>())
    system.upstream.on('/v1/events', async (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
      for (const [index, step] of steps.entries()) {
        outgoing.write(`data: ${index}\n\n`)
        await step.promise
      }
      outgoing.end()
    })
    const answer = await system.call(browser, '/api/events', { headers: { Accept: 'text/event-stream' } })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (const [index, step] of steps.entries()) {
      expect((await reader?.read())?.value).toBe(`data: ${index}\n\n`)
      step.resolve()
    }
    expect((await reader?.read())?.done).toBe(true)
  })

  it('ends at the upstream when the client has left', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    system.upstream.on('/v1/events', async (_incoming, outgoing) => {
      outgoing.writeHead(200, { 'Content-Type': 'text/event-stream' })
      const beat = setInterval(() => outgoing.write(':\n\n'), 20)
      await once(outgoing, 'close')
      clearInterval(beat)
      resolve()
    })
    const call = rawCall('/api/events').end()
    const [answer] = await once(call, 'response')
    await once(answer, 'data')
    call.destroy()
    await closed
  })
})

describe('a call whose answer has not begun', () => {
  // An end without a reset is not seen by workerd's own server before it writes: docs/workers.md.
  it('ends at the upstream when the connection is reset', async () => {
    const asked = Promise.withResolvers<void>()
    const closed = Promise.withResolvers<void>()
    system.upstream.on('/v1/waiting', (_incoming, outgoing) => {
      outgoing.once('close', closed.resolve)
      asked.resolve()
    })
    const call = rawCall('/api/waiting').end()
    await asked.promise
    call.socket?.resetAndDestroy()
    await closed.promise
  })
})

describe('an upload that breaks off', () => {
  it.each([
    ['with a length that was announced', { 'Content-Length': '100000' }],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }],
  ])('%s is never a whole one for the upstream', async (_how, headers) => {
    const arrived = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<'whole' | 'broken'>()
    system.upstream.on('/v1/upload', (incoming, outgoing) => {
      incoming.once('data', () => arrived.resolve())
      incoming.once('end', () => ended.resolve('whole'))
      incoming.once('error', () => ended.resolve('broken'))
      outgoing.on('error', () => undefined)
    })
    const call = rawCall('/api/upload', 'POST')
    for (const [name, value] of Object.entries(headers)) call.setHeader(name, value)
    call.write('x'.repeat(300))
    await arrived.promise
    call.destroy()
    expect(await ended.promise).toBe('broken')
  })
})

describe('a refresh that many calls share', () => {
  it('serves them all when the client whose call began it leaves', async () => {
    await system.advance(61_000)
    system.provider.token.inject('hold-answer', 1)
    const first = rawCall('/api/first').end()
    await system.provider.token.whenHeld(1)
    const others = Array.from({ length: 19 }, (_, call) => system.call(browser, `/api/burst/${call}`))
    const [socket] = first.socket ? [first.socket] : await once(first, 'socket')
    socket.resetAndDestroy()
    // The reset has arrived when a call that was sent after it is answered.
    expect((await system.call(browser, '/bff/session?slide=false')).status).toBe(200)
    system.provider.token.clear()
    const answers = await Promise.all(others)
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
    expect(system.provider.token.count({ grantType: 'refresh_token' })).toBe(1)
    expect((await system.call(browser, '/api/after')).status).toBe(200)
  })
})
