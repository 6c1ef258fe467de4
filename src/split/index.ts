/**
 * The authorization server's side of split tokens: head and payload of an access token go to Coatcheck, and the client
 * gets the signature. Stands alone, so that a server can use it without the rest.
 */

export interface SplitTokenOptions {
  /** Where Coatcheck takes deliveries, on its internal listener: `http://127.0.0.1:3001/bff/split-tokens`. */
  readonly url: string
  /** One of `splitTokens.secrets` of Coatcheck's configuration. */
  readonly secret: string
  /** Default: the runtime's own. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
}

/** How long a delivery may take; a second one follows the first that failed. */
const limitMs = 3000

/**
 * Delivers an access token that is a JWT, and gives what the client gets in its place: its signature.
 *
 * @throws Error if it was not delivered; the token must not be handed out then
 *
 * @example
 * ```ts
 * const accessToken = await deliverSplitToken(jwt, { url: 'http://127.0.0.1:3001/bff/split-tokens', secret })
 * ```
 */
export async function deliverSplitToken(jwt: string, options: SplitTokenOptions): Promise<string> {
  const parts = jwt.split('.')
  const [head, payload, signature] = parts
  if (parts.length !== 3 || !head || !payload || !signature) throw new TypeError('not a signed JWT')
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(signature)))
  const body = JSON.stringify({ signature_hash: base64url(hash), token: `${head}.${payload}` })
  // Delivered twice it is kept once, so an answer that was lost is asked for again.
  await deliver(body, options).catch(() => deliver(body, options))
  return signature
}

/** What is used of oidc-provider's context. */
export interface ProviderContext {
  readonly oidc?: {
    readonly route?: string | undefined
    readonly client?: { readonly clientId: string } | undefined
    readonly params?: { readonly response_type?: unknown } | undefined
  }
  status: number
  body: unknown
  set(name: string, value: string): unknown
  remove(name: string): unknown
}

/**
 * For oidc-provider: whatever the token endpoint gives these clients as a JWT, they get the signature of. If a delivery
 * fails they get an error, and never the whole token.
 *
 * The token endpoint is where they get tokens, and nowhere else: a request for one in the authorization response (the
 * implicit and hybrid flows, RFC 9700 §2.1.2), whose address and history would have the whole of it, is refused.
 *
 * @param options.clients the identifiers of those clients
 *
 * @example
 * ```ts
 * provider.use(splitAccessTokens({ url: 'http://127.0.0.1:3001/bff/split-tokens', secret, clients: ['partner'] }))
 * ```
 */
export function splitAccessTokens(
  options: SplitTokenOptions & { readonly clients: readonly string[] },
): (ctx: ProviderContext, next: () => Promise<void>) => Promise<void> {
  return async (ctx, next) => {
    await next()
    const clientId = ctx.oidc?.client?.clientId
    if (clientId === undefined || !options.clients.includes(clientId)) return
    if (asksForTokenInAddress(ctx)) return refuse(ctx)
    if (ctx.oidc?.route !== 'token') return
    const answer = ctx.body as { access_token?: unknown } | undefined
    const token = answer?.access_token
    // An opaque one opens no split route, and tells nobody anything.
    if (typeof token !== 'string' || token.split('.').length !== 3) return
    try {
      ctx.body = { ...answer, access_token: await deliverSplitToken(token, options) }
    } catch {
      ctx.status = 503
      ctx.set('Retry-After', '2')
      ctx.body = { error: 'temporarily_unavailable' }
    }
  }
}

/** Of an authorization request, pushed or not, and of what goes on after an interaction. */
function asksForTokenInAddress({ oidc }: ProviderContext): boolean {
  const type = oidc?.params?.response_type
  return typeof type === 'string' && type.split(' ').includes('token')
}

/** In the place of whatever was to go out: a redirect, a form that posts itself. */
function refuse(ctx: ProviderContext): void {
  ctx.remove('Location')
  ctx.remove('Content-Type')
  ctx.status = 400
  ctx.body = { error: 'unsupported_response_type' }
}

async function deliver(body: string, { url, secret, fetch = globalThis.fetch }: SplitTokenOptions): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${secret}` },
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(limitMs),
  })
  await response.body?.cancel()
  if (response.status !== 204) throw new Error(`the delivery was answered with ${response.status}`)
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}
