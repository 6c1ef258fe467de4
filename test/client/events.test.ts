import { describe, expect, it } from 'vitest'
import type { EventStreamEnd } from '../../src/client/index.ts'
import { settle } from './fake-browser.ts'
import { problem } from './fake-server.ts'
import { openPage, type Page } from './setup.ts'

const encoder = new TextEncoder()

/** An answer that the test writes to. */
function stream() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own
    },
  })
  return {
    response: new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }),
    send: (text: string) => controller?.enqueue(encoder.encode(text)),
    end: () => controller?.close(),
    fail: () => controller?.error(new TypeError('network error')),
  }
}

interface Listening {
  readonly states: string[]
  readonly data: string[]
  readonly end: () => EventStreamEnd | undefined
  close(): void
}

function listen(page: Page, options: { silenceTimeoutMs?: number; lastEventId?: string } = {}): Listening {
  const states: string[] = []
  const data: string[] = []
  let end: EventStreamEnd | undefined
  const events = page.client.events('/api/events', {
    ...options,
    onEvent: (event) => data.push(`${event.type}:${event.data}`),
    onStateChange: (state) => states.push(state),
  })
  void events.closed.then((value) => {
    end = value
  })
  return { states, data, end: () => end, close: events.close }
}

function connections(page: Page): Request[] {
  return page.server.requests.filter(({ url }) => url.endsWith('/api/events'))
}

describe('a stream of events', () => {
  it('is asked for with X-CSRF, and gives events as they come', async () => {
    const page = await openPage()
    const answer = stream()
    page.server.api = (request) => {
      request.signal.addEventListener('abort', answer.fail)
      return answer.response
    }
    const listening = listen(page)
    await settle()
    answer.send('event: order\nda')
    answer.send('ta: 1\n\n')
    await settle()
    expect(listening.data).toEqual(['order:1'])
    expect(listening.states).toEqual(['connecting', 'open'])
    const headers = connections(page)[0]?.headers
    expect([headers?.get('x-csrf'), headers?.get('accept')]).toEqual(['ref-ann', 'text/event-stream'])
    expect(headers?.has('last-event-id')).toBe(false)
    listening.close()
    await settle()
    expect(listening.end()).toEqual({ reason: 'closed' })
    expect(listening.states.at(-1)).toBe('closed')
  })

  it.each(['end', 'fail'] as const)('comes back after an %s, from the last event that was whole', async (how) => {
    const page = await openPage()
    const first = stream()
    const second = stream()
    page.server.api = () => (connections(page).length === 1 ? first.response : second.response)
    const listening = listen(page)
    await settle()
    first.send('id: 7\ndata: a\n\nid: 8\ndata: b')
    await settle()
    first[how]()
    await settle()
    expect(listening.states).toEqual(['connecting', 'open', 'waiting'])
    await page.browser.advance(3000)
    expect(connections(page)[1]?.headers.get('last-event-id')).toBe('7')
    second.send('id: 8\ndata: b\n\n')
    await settle()
    expect(listening.data).toEqual(['message:a', 'message:b'])
    listening.close()
  })

  it('waits as long as the stream asks to', async () => {
    const page = await openPage()
    const first = stream()
    page.server.api = () => (connections(page).length === 1 ? first.response : stream().response)
    const listening = listen(page)
    await settle()
    first.send('retry: 20000\ndata: a\n\n')
    await settle()
    first.end()
    await settle()
    await page.browser.advance(15_000)
    expect(connections(page)).toHaveLength(1)
    await page.browser.advance(10_000)
    expect(connections(page)).toHaveLength(2)
    listening.close()
  })

  it('tries at once when the network is back', async () => {
    const page = await openPage()
    page.server.outage = 'offline'
    const listening = listen(page)
    await settle()
    page.server.requests.length = 0
    page.server.outage = undefined
    page.server.api = () => stream().response
    page.browser.window.dispatchEvent(new Event('online'))
    await settle()
    expect(connections(page)).toHaveLength(1)
    expect(listening.states.at(-1)).toBe('open')
    listening.close()
  })

  it('waits longer after each failure', async () => {
    const page = await openPage()
    page.server.api = () => new Response('out', { status: 502 })
    const listening = listen(page)
    await settle()
    await page.browser.advance(5 * 60 * 1000)
    expect(connections(page).length).toBeGreaterThan(6)
    expect(connections(page).length).toBeLessThan(20)
    listening.close()
  })

  it('takes silence for a dead connection where it was told so', async () => {
    const page = await openPage()
    page.server.api = (request) => {
      const { response, fail } = stream()
      request.signal.addEventListener('abort', fail)
      return response
    }
    const listening = listen(page, { silenceTimeoutMs: 10_000 })
    await settle()
    await page.browser.advance(9000)
    expect(listening.states).toEqual(['connecting', 'open'])
    await page.browser.advance(5000)
    expect(listening.states.slice(2, 4)).toEqual(['waiting', 'connecting'])
    listening.close()
  })

  it.each([
    ['204', () => new Response(null, { status: 204 }), { reason: 'finished', status: 204 }],
    ['404', () => new Response('no', { status: 404 }), { reason: 'refused', status: 404 }],
    ['JSON', () => Response.json({}), { reason: 'refused', status: 200 }],
    [
      'a sign-out',
      () => problem('login_required', 401),
      { reason: 'refused', status: 401, problem: { code: 'login_required' } },
    ],
  ])('does not come back after %s', async (_name, answer, end) => {
    const page = await openPage()
    page.server.api = answer
    const listening = listen(page)
    await page.browser.advance(60_000)
    expect(listening.end()).toMatchObject(end)
    expect(connections(page)).toHaveLength(1)
    expect(listening.states.at(-1)).toBe('closed')
  })

  it('signs the page out when it ends because the session did', async () => {
    const page = await openPage()
    page.server.api = () => problem('login_required', 401)
    listen(page)
    await settle()
    expect(page.events.at(-1)).toBe('signed-out:login_required')
  })

  it('goes on from where the page says', async () => {
    const page = await openPage()
    page.server.api = () => stream().response
    const listening = listen(page, { lastEventId: '41' })
    await settle()
    expect(connections(page)[0]?.headers.get('last-event-id')).toBe('41')
    listening.close()
  })

  it('is closed by the page’s own signal too, and leaves no timer', async () => {
    const page = await openPage()
    page.server.outage = 'offline'
    const closing = new AbortController()
    const events = page.client.events('/api/events', { signal: closing.signal, onEvent: () => {} })
    await settle()
    closing.abort()
    expect(await events.closed).toEqual({ reason: 'closed' })
    page.close()
    expect(page.browser.pendingTimers()).toBe(0)
  })
})
