/**
 * Server-sent events over `fetch`: the browser's own `EventSource` cannot send `X-CSRF`, and does not tell a
 * signed-out session from a lost network.
 */
import type { Browser } from './browser.ts'
import { createEventParser, type ServerEvent } from './event-parser.ts'
import { type CoatcheckProblem, problemOf } from './problem.ts'

export interface EventsOptions {
  onEvent(event: ServerEvent): void
  onStateChange?(state: EventStreamState): void
  /** Closes the stream. */
  signal?: AbortSignal
  /** Where to go on from. */
  lastEventId?: string
  /** Taken for dead after so long without a byte; for streams that send a comment now and then. Default: never. */
  silenceTimeoutMs?: number
}

/** `waiting`: until the next attempt. */
export type EventStreamState = 'connecting' | 'open' | 'waiting' | 'closed'

export interface EventStreamEnd {
  /** `closed` by the page; `finished` by the server (204); `refused`: trying again would not help. */
  readonly reason: 'closed' | 'finished' | 'refused'
  readonly status?: number
  /** Coatcheck's word for it, such as `login_required`. */
  readonly problem?: CoatcheckProblem
}

export interface EventStream {
  close(): void
  /** Resolves when the stream will not come back. Never rejects. */
  readonly closed: Promise<EventStreamEnd>
}

const firstDelayMs = 1000
const longestDelayMs = 30_000

export function openEvents(
  browser: Browser,
  fetch: typeof globalThis.fetch,
  url: string | URL,
  options: EventsOptions,
): EventStream {
  const closing = new AbortController()
  const signal = options.signal === undefined ? closing.signal : AbortSignal.any([closing.signal, options.signal])
  const setState = (state: EventStreamState) => options.onStateChange?.(state)
  let lastEventId = options.lastEventId ?? ''
  let askedDelayMs = firstDelayMs
  let failures = 0

  /** One connection: gives the end of the stream, or undefined when it should be opened again. */
  const connect = async (): Promise<EventStreamEnd | undefined> => {
    setState('connecting')
    const headers: Record<string, string> = { Accept: 'text/event-stream' }
    if (lastEventId !== '') headers['Last-Event-ID'] = lastEventId
    const attempt = new AbortController()
    const response = await fetch(url, {
      headers,
      cache: 'no-store',
      signal: AbortSignal.any([signal, attempt.signal]),
    })
    const end = await endOf(response)
    if (end !== undefined) {
      void response.body?.cancel()
      return end
    }
    if (!response.ok || response.body === null) {
      askedDelayMs = Math.max(askedDelayMs, retryAfterMs(response))
      void response.body?.cancel()
      return undefined
    }
    setState('open')
    const parser = createEventParser({
      lastEventId,
      onEvent: (event) => {
        failures = 0
        call(browser, () => options.onEvent(event))
      },
      onRetry: (ms) => {
        askedDelayMs = ms
      },
    })
    try {
      await readPieces(response.body, attempt, (text) => parser.push(text))
    } finally {
      lastEventId = parser.lastEventId()
      attempt.abort()
    }
    return undefined
  }

  const readPieces = async (
    body: ReadableStream<Uint8Array>,
    attempt: AbortController,
    push: (text: string) => void,
  ) => {
    const reader = body.getReader()
    // Takes a byte order mark away, as the format asks.
    const decoder = new TextDecoder()
    for (;;) {
      const silence =
        options.silenceTimeoutMs === undefined
          ? undefined
          : browser.setTimer(() => attempt.abort(), options.silenceTimeoutMs)
      try {
        const { done, value } = await reader.read()
        if (done || signal.aborted) return
        push(decoder.decode(value, { stream: true }))
      } finally {
        if (silence !== undefined) browser.clearTimer(silence)
      }
    }
  }

  const run = async (): Promise<EventStreamEnd> => {
    while (!signal.aborted) {
      try {
        const end = await connect()
        if (end !== undefined) return end
      } catch (error) {
        // The network went away, the server closed in mid-answer, or the page closed the stream: all but the last come back.
        if (signal.aborted) return { reason: 'closed' }
        if (error instanceof TypeError || isAbort(error)) failures += 1
        else return { reason: 'refused' }
      }
      if (signal.aborted) break
      setState('waiting')
      await pause(browser, signal, delayMs(browser, askedDelayMs, failures))
      failures += 1
    }
    return { reason: 'closed' }
  }

  return {
    close: () => closing.abort(),
    closed: run().then((end) => {
      setState('closed')
      return end
    }),
  }
}

/** What an answer means that is not an open stream: its end, or undefined where another attempt may do. */
async function endOf(response: Response): Promise<EventStreamEnd | undefined> {
  if (response.status === 204) return { reason: 'finished', status: 204 }
  const problem = await problemOf(response)
  const isTemporary = response.status >= 500 || response.status === 429 || response.status === 408
  const isStream = /^text\/event-stream\s*(;|$)/i.test(response.headers.get('content-type') ?? '')
  if (response.ok ? isStream : isTemporary) return undefined
  return { reason: 'refused', status: response.status, ...(problem === undefined ? {} : { problem }) }
}

function retryAfterMs(response: Response): number {
  const value = response.headers.get('retry-after') ?? ''
  return /^[0-9]{1,6}$/.test(value) ? Math.min(Number(value) * 1000, longestDelayMs) : 0
}

/** Doubles with each failure, and spreads: all tabs of all users lost the same server at the same moment. */
function delayMs(browser: Browser, baseMs: number, failures: number): number {
  const most = Math.max(longestDelayMs, baseMs)
  return Math.min(most, baseMs * 2 ** Math.min(failures, 10)) * (0.75 + browser.random() / 2)
}

/** Ends early when the network is back or the stream is closed. */
function pause(browser: Browser, signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      browser.clearTimer(timer)
      browser.window?.removeEventListener('online', finish)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = browser.setTimer(finish, ms)
    browser.window?.addEventListener('online', finish)
    signal.addEventListener('abort', finish)
  })
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** A listener that throws must not end the stream: the error is reported as any uncaught one is. */
function call(browser: Browser, listener: () => void): void {
  try {
    listener()
  } catch (error) {
    browser.setTimer(() => {
      throw error
    }, 0)
  }
}
