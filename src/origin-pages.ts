/**
 * The app's pages from an origin elsewhere, such as a CDN's (`spa: { origin }`), by the rules of `pages.ts`. Nothing of the
 * browser's request is passed on but which file it is for, and nothing of the answer but its bytes: what a file is, its
 * name says. Files are kept in memory, within bounds, and served when the origin is out.
 */
import type { Context } from 'hono'
import { CoatcheckError } from './errors.ts'
import type { Report } from './observability/events.ts'
import { candidates, describeFile, fileHeaders, type PageFile } from './pages.ts'
import type { Clock, HeaderList, Transport, UpstreamBody } from './runtime.ts'

export interface OriginPagesOptions {
  /** Origin and path that the files are below, without a slash at its end: `https://cdn.example.com/app`. */
  readonly base: string
  readonly transport: Transport
  readonly clock: Clock
  readonly report: Report
  readonly pageHeaders: HeaderList
  /** Content codings to ask for, the better one first. Empty where the runtime decodes and encodes by itself. */
  readonly codings: readonly string[]
}

/** What the origin said of a file. */
interface Kept {
  /** Undefined: there is none. */
  readonly file: { readonly bytes: Uint8Array<ArrayBuffer>; readonly etag: string; readonly coding: string } | undefined
  /** How the origin calls this version, to be asked by. */
  readonly validator: readonly [name: string, value: string] | undefined
  readonly freshUntil: number
  readonly staleUntil: number
}

const cacheLimitBytes = 32 * 2 ** 20
/** Larger ones belong on the CDN itself, and the page may load them from there. */
const fileLimitBytes = 16 * 2 ** 20
const entryLimit = 10_000
/** What an entry costs besides its bytes. */
const entryBytes = 512
/** A new release is seen within this time. */
const freshMs = 10_000
/** A file whose name holds its hash does not change. */
const immutableMs = 365 * 86_400_000
const staleMs = 86_400_000
/** An origin that is out is not asked with every request. */
const retryMs = 5_000
const timeoutMs = 15_000

/** Gives a handler; undefined from it means that there is nothing under this path. @throws CoatcheckError `pages_unavailable` */
export function originPages(options: OriginPagesOptions): (c: Context) => Promise<Response | undefined> {
  const { clock, report } = options
  const { origin, pathname } = new URL(options.base)
  const basePath = pathname.replace(/\/$/, '')
  const cache = boundedCache()
  const running = new Map<string, Promise<Kept>>()

  /** One request for a file at a time, whoever asks for it, and whoever leaves. */
  function refresh(key: string, name: string, coding: string, known: Kept | undefined): Promise<Kept> {
    const underWay = running.get(key)
    if (underWay) return underWay
    const work = ask(name, coding, known)
      .catch((error: unknown) => keepStale(error, known))
      .then((kept) => {
        cache.set(key, kept)
        return kept
      })
      .finally(() => running.delete(key))
    running.set(key, work)
    return work
  }

  /** Better an older page than none. */
  function keepStale(error: unknown, known: Kept | undefined): Kept {
    const now = clock.now()
    if (!known || known.staleUntil <= now) throw error
    report({ event: 'request_failed', code: 'pages_unavailable', cause: error })
    return { ...known, freshUntil: now + retryMs }
  }

  async function lookUp(name: string, coding: string): Promise<Kept> {
    const key = `${coding} ${name}`
    const known = cache.get(key)
    return known && known.freshUntil > clock.now() ? known : refresh(key, name, coding, known)
  }

  async function ask(name: string, coding: string, known: Kept | undefined): Promise<Kept> {
    const answer = await options.transport
      .send({
        origin,
        target: basePath + name.split('/').map(encodeURIComponent).join('/'),
        method: 'GET',
        headers: [
          ['accept', '*/*'],
          ['accept-encoding', coding],
          ...(known?.file && known.validator ? [known.validator] : []),
        ],
        body: null,
        signal: new AbortController().signal,
        headersTimeoutMs: timeoutMs,
        bodyTimeoutMs: timeoutMs,
      })
      .catch((cause: unknown) => unavailable(cause))
    const times = timesOf(name)
    const { status } = answer
    if (status === 304 && known?.file) {
      answer.body?.cancel()
      return { ...known, ...times }
    }
    const header = (wanted: string) => answer.headers.find(([field]) => field === wanted)?.[1]
    // Object stores answer 403 for what is not there. A page in place of a script is one's fallback for what is not there.
    const isOther =
      !describeFile(name).isDocument && header('content-type')?.trim().toLowerCase().startsWith('text/html')
    if (status === 403 || status === 404 || status === 410 || (status === 200 && isOther)) {
      answer.body?.cancel()
      const { freshUntil } = timesOf('/')
      return { file: undefined, validator: undefined, freshUntil, staleUntil: freshUntil }
    }
    const used = header('content-encoding')?.trim().toLowerCase() ?? 'identity'
    if (status !== 200 || answer.body === null || (used !== 'identity' && used !== coding)) {
      answer.body?.cancel()
      return unavailable(new Error(`the origin answered ${status}`))
    }
    const bytes = await readAll(answer.body)
    const validator = validatorOf(header('etag'), header('last-modified'))
    return { file: { bytes, etag: await etagOf(bytes), coding: used }, validator, ...times }
  }

  function timesOf(name: string): { freshUntil: number; staleUntil: number } {
    const now = clock.now()
    const freshUntil = now + (describeFile(name).isImmutable ? immutableMs : freshMs)
    return { freshUntil, staleUntil: freshUntil + staleMs }
  }

  return async (c) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return undefined
    const coding = chosenCoding(options.codings, c.req.header('accept-encoding'))
    for (const name of filesFor(c)) {
      const { file } = await lookUp(name, coding)
      if (file) return respond(c, describeFile(name), file, options)
    }
    return undefined
  }
}

/** A place within the app is looked for as a file only where it could be one: each of them would be a request. */
function filesFor(c: Context): string[] {
  const names = candidates(c)
  return names.length === 1 ? names : names.filter((name) => describeFile(name).isDocument)
}

function respond(
  c: Context,
  file: PageFile,
  { bytes, etag, coding }: NonNullable<Kept['file']>,
  { pageHeaders, codings }: OriginPagesOptions,
): Response {
  const headers = fileHeaders(file, pageHeaders)
  headers.set('etag', etag)
  if (codings.length > 0) headers.append('vary', 'Accept-Encoding')
  const asked = c.req.header('if-none-match')
  if (asked?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)) {
    headers.delete('content-type')
    return new Response(null, { status: 304, headers })
  }
  if (coding !== 'identity') headers.set('content-encoding', coding)
  headers.set('content-length', String(bytes.byteLength))
  return new Response(c.req.method === 'HEAD' ? null : bytes, { headers })
}

/** `q` is a wish that we do not weigh; what is refused by it is not sent. */
function chosenCoding(codings: readonly string[], accepted: string | undefined): string {
  const items = (accepted ?? '').toLowerCase().split(',')
  const wanted = new Set(
    items.filter((item) => !/;\s*q=0(?:\.0*)?\s*$/.test(item)).map((item) => item.split(';')[0]?.trim()),
  )
  return codings.find((coding) => wanted.has(coding)) ?? 'identity'
}

function validatorOf(etag: string | undefined, modified: string | undefined): Kept['validator'] {
  if (etag !== undefined) return ['if-none-match', etag]
  return modified === undefined ? undefined : ['if-modified-since', modified]
}

async function readAll(body: UpstreamBody): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = []
  let length = 0
  const reader = body.stream().getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      length += value.byteLength
      if (length > fileLimitBytes) throw new Error('the file is too large')
      pieces.push(value)
    }
  } catch (cause) {
    reader.cancel().catch(() => undefined)
    return unavailable(cause)
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes
}

async function etagOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return `"${btoa(String.fromCharCode(...digest.subarray(0, 18)))}"`
}

function unavailable(cause: unknown): never {
  throw new CoatcheckError('pages_unavailable', { headers: { 'Retry-After': '5' }, cause })
}

/** The one used longest ago goes first. */
function boundedCache() {
  const entries = new Map<string, Kept>()
  let total = 0
  const sizeOf = ({ file }: Kept) => entryBytes + (file?.bytes.byteLength ?? 0)
  const remove = (key: string) => {
    const entry = entries.get(key)
    if (entry && entries.delete(key)) total -= sizeOf(entry)
  }
  return {
    get(key: string): Kept | undefined {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry
    },
    set(key: string, entry: Kept): void {
      remove(key)
      entries.set(key, entry)
      total += sizeOf(entry)
      for (const oldest of entries.keys()) {
        if (total <= cacheLimitBytes && entries.size <= entryLimit) return
        remove(oldest)
      }
    },
  }
}
