/**
 * A browser without a screen: a cookie jar, redirects, Fetch Metadata and forms over real HTTP.
 *
 *     const browser = new UserAgent()
 *     const app = await browser.signIn(`${origin}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
 *     const orders = await browser.fetch(`${origin}/api/orders`, { headers: { 'X-CSRF': '1' } })
 *
 * - `fetch` is a page's own `fetch()`: cookies, `Sec-Fetch-*`, `Origin`; redirects are not followed.
 * - `navigate` is the address bar, a link or a form: redirects are followed.
 * - `follow` goes on from a redirect; `submit` sends a form of a page; `signIn` is the whole journey.
 *
 * Cookies go by host and not by port, as in browsers, so `localhost` and `127.0.0.1` are two sites and their
 * ports are not. `SameSite` counts: after the provider's page has sent the person back, a Strict cookie is not
 * there. A new `UserAgent` is another browser.
 */
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import { Agent, type Dispatcher, request } from 'undici'
import { CookieJar, isTrustworthy } from './cookie-jar.ts'
import { type Form, type FormButton, readForms } from './html-forms.ts'

export { type Cookie, CookieJar } from './cookie-jar.ts'
export { type Form, readForms } from './html-forms.ts'

export interface UserAgentOptions {
  /** False: an old browser that sends no `Sec-Fetch-*`. Default true. */
  readonly sendsFetchMetadata?: boolean
  /** Most redirects of one navigation. Default 20. */
  readonly maxRedirects?: number
  /** For HTTPS with a certificate of one's own, and the like. */
  readonly dispatcher?: Dispatcher
}

export interface RequestOptions {
  readonly method?: string
  /** Go before what the browser would send; null leaves a header out. */
  readonly headers?: Readonly<Record<string, string | null>>
  readonly body?: string | Uint8Array | URLSearchParams | ReadableStream<Uint8Array> | null
  readonly signal?: AbortSignal
  /**
   * The page (URL or origin) that makes the request. Of `fetch`, default: a page of the same origin. Of
   * `navigate`, default: none, the person typed the address.
   */
  readonly from?: string | URL
  /** False: no cookies are sent or kept, as `credentials: 'omit'`. Default true. */
  readonly withCookies?: boolean
}

export interface FetchOptions extends RequestOptions {
  /** `Sec-Fetch-Mode`. Default `cors`. */
  readonly mode?: 'cors' | 'no-cors' | 'same-origin' | 'navigate' | 'websocket'
  /** `Sec-Fetch-Dest`. Default `empty`. */
  readonly destination?: string
  /** Default `manual`. */
  readonly redirect?: 'manual' | 'follow'
}

export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface SignInOptions extends Credentials {
  /** What to answer on the consent page, if there is one. Default `allow`. */
  readonly consent?: 'allow' | 'deny'
  /** The page that the sign-in starts from. Default: a page of the start's origin, as a link of the app. */
  readonly from?: string | URL | null
}

/** A web `Response` whose `url` is where it came from. */
export type BrowserResponse = Response

interface Hop {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string | null>>
  readonly body: RequestOptions['body']
  readonly initiator: URL | undefined
  readonly isNavigation: boolean
  readonly mode: string
  readonly destination: string
  readonly withCookies: boolean
  readonly signal: AbortSignal | undefined
}

export class UserAgent {
  readonly cookies = new CookieJar()
  readonly #options: Required<UserAgentOptions>
  /** What led to an answer, so that `follow` and `submit` know who sent the person on. */
  readonly #hops = new WeakMap<Response, Hop>()

  constructor(options: UserAgentOptions = {}) {
    this.#options = {
      sendsFetchMetadata: options.sendsFetchMetadata ?? true,
      maxRedirects: options.maxRedirects ?? 20,
      // No kept-alive connections: servers that stop and start again under a test must not surprise it.
      dispatcher: options.dispatcher ?? new Agent({ pipelining: 0, bodyTimeout: 0 }),
    }
  }

  /** A page's `fetch()`. */
  async fetch(url: string | URL, options: FetchOptions = {}): Promise<BrowserResponse> {
    const target = new URL(url)
    const response = await this.#send({
      url: target,
      method: options.method ?? 'GET',
      headers: options.headers ?? {},
      body: options.body ?? null,
      initiator: new URL(options.from ?? target),
      isNavigation: options.mode === 'navigate',
      mode: options.mode ?? 'cors',
      destination: options.destination ?? 'empty',
      withCookies: options.withCookies ?? true,
      signal: options.signal,
    })
    return options.redirect === 'follow' ? this.follow(response) : response
  }

  /** A top-level navigation; follows redirects to the end. */
  async navigate(url: string | URL, options: RequestOptions = {}): Promise<BrowserResponse> {
    return this.follow(await this.visit(url, options))
  }

  /** A top-level navigation that stops at its first answer, also if that is a redirect. */
  visit(url: string | URL, options: RequestOptions = {}): Promise<BrowserResponse> {
    return this.#send({
      url: new URL(url),
      method: options.method ?? 'GET',
      headers: options.headers ?? {},
      body: options.body ?? null,
      initiator: options.from === undefined ? undefined : new URL(options.from),
      isNavigation: true,
      mode: 'navigate',
      destination: 'document',
      withCookies: options.withCookies ?? true,
      signal: options.signal,
    })
  }

  /**
   * Follows redirects from `response`. With `until`, stops before the first address for which it is true and
   * gives the redirect that leads there.
   */
  async follow(response: BrowserResponse, until: (next: URL) => boolean = () => false): Promise<BrowserResponse> {
    let current = response
    for (let count = 0; ; count += 1) {
      const next = redirectTarget(current)
      if (next === undefined || until(next)) return current
      if (count >= this.#options.maxRedirects)
        throw new Error(`More than ${count} redirects, the last to ${next.origin}`)
      const hop = this.#hopOf(current)
      await current.body?.cancel()
      current = await this.#send({ ...hop, ...redirected(hop, current.status), url: next })
    }
  }

  /**
   * Sends a form of a page, by its first button or the one whose value or text is `button`. Gives the first
   * answer; `follow` goes on from there.
   */
  async submit(
    page: BrowserResponse,
    options: { fields?: Readonly<Record<string, string>>; button?: string; form?: number } = {},
  ): Promise<BrowserResponse> {
    const form = readForms(await page.clone().text(), page.url)[options.form ?? 0]
    if (!form) throw new Error(`${page.url} (${page.status}) has no form`)
    const values = new URLSearchParams()
    for (const [name, value] of form.fields) values.set(name, value)
    for (const [name, value] of Object.entries(options.fields ?? {})) values.set(name, value)
    const button = chooseButton(form, options.button)
    if (button && button.name !== '') values.set(button.name, button.value)

    if (form.method === 'POST') return this.visit(form.action, { method: 'POST', body: values, from: page.url })
    const url = new URL(form.action)
    url.search = values.toString()
    return this.visit(url, { from: page.url })
  }

  /**
   * Signs in at the provider that `startUrl` leads to (or is the authorization endpoint of), and comes back:
   * the answer is the one that the application gave in the end.
   */
  async signIn(startUrl: string | URL, options: SignInOptions): Promise<BrowserResponse> {
    return this.follow(await this.signInAtProvider(startUrl, options))
  }

  /** As `signIn`, but does not go to the callback: gives its address, with the code or the error. */
  async signInUntilCallback(startUrl: string | URL, options: SignInOptions): Promise<URL> {
    const response = await this.signInAtProvider(startUrl, options)
    await response.body?.cancel()
    return redirectTarget(response) as URL
  }

  /** As `signIn`, but gives the provider's redirect that leads back; `follow` goes on from there. */
  async signInAtProvider(startUrl: string | URL, options: SignInOptions): Promise<BrowserResponse> {
    const start = new URL(startUrl)
    const from = options.from === null ? {} : { from: options.from ?? start }
    let response = await this.visit(start, isAuthorizationRequest(start) ? {} : from)
    let providerOrigin = isAuthorizationRequest(start) ? start.origin : undefined
    const leavesProvider = (next: URL): boolean => {
      if (providerOrigin === undefined && isAuthorizationRequest(next)) providerOrigin = next.origin
      return providerOrigin !== undefined && next.origin !== providerOrigin
    }

    for (let step = 0; step < 10; step += 1) {
      response = await this.follow(response, leavesProvider)
      if (redirectTarget(response) !== undefined) return response
      if (providerOrigin === undefined || new URL(response.url).origin !== providerOrigin) {
        throw new Error(`No authorization request: ${start.pathname} ended with ${await describe(response)}`)
      }
      response = await this.#answerProvidersPage(response, options)
    }
    throw new Error(`The provider goes on asking: ${await describe(response)}`)
  }

  async #answerProvidersPage(page: BrowserResponse, options: SignInOptions): Promise<BrowserResponse> {
    const [form] = readForms(await page.clone().text(), page.url)
    if (!form || page.status === 422) throw new Error(`Cannot sign in: the provider says ${await describe(page)}`)
    if (form.fields.has('password')) {
      return this.submit(page, { fields: { username: options.username, password: options.password } })
    }
    return this.submit(page, form.buttons.length > 1 ? { button: options.consent ?? 'allow' } : {})
  }

  async #send(hop: Hop): Promise<BrowserResponse> {
    const headers = this.#headersOf(hop)
    const { body, contentType } = encodeBody(hop.body)
    if (contentType !== undefined && !headers.has('content-type')) headers.set('content-type', contentType)
    for (const [name, value] of Object.entries(hop.headers)) {
      if (value === null) headers.delete(name.toLowerCase())
      else headers.set(name.toLowerCase(), value)
    }

    const answer = await request(hop.url, {
      method: hop.method as Dispatcher.HttpMethod,
      headers: Object.fromEntries(headers),
      body,
      dispatcher: this.#options.dispatcher,
      ...(hop.signal && { signal: hop.signal }),
    })
    const responseHeaders = new Headers()
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const one of Array.isArray(value) ? value : [value ?? '']) responseHeaders.append(name, one)
    }
    if (hop.withCookies) for (const line of responseHeaders.getSetCookie()) this.cookies.set(hop.url, line)

    const hasBody = hop.method !== 'HEAD' && ![204, 205, 304].includes(answer.statusCode)
    if (!hasBody) await answer.body.dump()
    const response = new Response(hasBody ? toWebStream(answer.body) : null, {
      status: answer.statusCode,
      headers: responseHeaders,
    })
    Object.defineProperty(response, 'url', { value: hop.url.href })
    this.#hops.set(response, hop)
    return response
  }

  #headersOf(hop: Hop): Map<string, string> {
    const relation = relationOf(hop.initiator, hop.url)
    const headers = new Map<string, string>()
    headers.set('accept', hop.isNavigation ? 'text/html,application/xhtml+xml,*/*;q=0.8' : '*/*')
    headers.set('user-agent', 'Mozilla/5.0 (test)')
    if (this.#options.sendsFetchMetadata && isTrustworthy(hop.url)) {
      headers.set('sec-fetch-site', relation)
      headers.set('sec-fetch-mode', hop.mode)
      headers.set('sec-fetch-dest', hop.destination)
      if (hop.isNavigation) headers.set('sec-fetch-user', '?1')
    }
    const isSafe = hop.method === 'GET' || hop.method === 'HEAD'
    const sendsOrigin = !isSafe || (hop.mode === 'cors' && relation !== 'same-origin')
    if (hop.initiator && sendsOrigin) headers.set('origin', hop.initiator.origin)

    const isSameSite = relation !== 'cross-site'
    const cookie = this.cookies.header(hop.url, { isSameSite, isSafeNavigation: hop.isNavigation && isSafe })
    if (cookie !== undefined && hop.withCookies) headers.set('cookie', cookie)
    return headers
  }

  #hopOf(response: Response): Hop {
    const hop = this.#hops.get(response)
    if (!hop) throw new Error('This answer is not of this browser')
    return hop
  }
}

/** Where a redirect leads; undefined if the answer is none. */
export function redirectTarget(response: BrowserResponse): URL | undefined {
  const location = response.headers.get('location')
  if (location === null || ![301, 302, 303, 307, 308].includes(response.status)) return undefined
  return new URL(location, response.url)
}

/** What a redirect makes of the request (Fetch §4.4). */
function redirected(hop: Hop, status: number): Partial<Hop> {
  const becomesGet = (status === 303 && hop.method !== 'HEAD') || (status <= 302 && hop.method === 'POST')
  return becomesGet ? { method: 'GET', body: null } : {}
}

function relationOf(initiator: URL | undefined, target: URL): 'none' | 'same-origin' | 'same-site' | 'cross-site' {
  if (initiator === undefined) return 'none'
  if (initiator.origin === target.origin) return 'same-origin'
  return siteOf(initiator) === siteOf(target) ? 'same-site' : 'cross-site'
}

/** Scheme and registrable domain, near enough for tests: the last two labels of a name, or the whole address. */
function siteOf(url: URL): string {
  const isAddress = /^[\d.]+$/.test(url.hostname) || url.hostname.startsWith('[')
  const labels = url.hostname.split('.')
  return `${url.protocol}//${isAddress ? url.hostname : labels.slice(-2).join('.')}`
}

function isAuthorizationRequest(url: URL): boolean {
  const { searchParams } = url
  return searchParams.has('client_id') && (searchParams.has('response_type') || searchParams.has('request_uri'))
}

function chooseButton(form: Form, wanted: string | undefined): FormButton | undefined {
  if (wanted === undefined) return form.buttons[0]
  const button = form.buttons.find(({ value, text }) => value === wanted || text === wanted)
  if (!button) throw new Error(`The form has no button "${wanted}"`)
  return button
}

function encodeBody(body: RequestOptions['body']): {
  body: string | Uint8Array | Readable | null
  contentType: string | undefined
} {
  if (body instanceof URLSearchParams) {
    return { body: body.toString(), contentType: 'application/x-www-form-urlencoded' }
  }
  if (typeof body === 'string') return { body, contentType: 'text/plain;charset=UTF-8' }
  if (body instanceof ReadableStream) {
    return { body: Readable.fromWeb(body as NodeReadableStream), contentType: undefined }
  }
  return { body: body ?? null, contentType: undefined }
}

/** Not `Readable.toWeb`, which throws out of an event when a body is cancelled while data is on its way. */
function toWebStream(body: Readable): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = body[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(new Uint8Array(value))
    },
    cancel() {
      body.destroy()
    },
  })
}

async function describe(response: BrowserResponse): Promise<string> {
  const text = (await response.clone().text()).replace(/<style[\s\S]*?<\/style>/gi, '').replace(/<[^>]*>/g, ' ')
  return `${response.status}: ${text.replace(/\s+/g, ' ').trim().slice(0, 300)}`
}
