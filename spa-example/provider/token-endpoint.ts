/**
 * What tests see of the token endpoint, and how they make it fail: a list of the requests that came, and
 * faults that happen before or after the provider has handled one.
 */
import type { IncomingMessage } from 'node:http'
import type { KoaContextWithOIDC } from 'oidc-provider'

export type TokenFault =
  /** Answered 503 with `Retry-After: 1`, not handled. */
  | '503'
  /** Handled, and answered with something that is no token response. */
  | 'garbage'
  /** The connection is reset, not handled. */
  | 'reset'
  /** Handled, and the connection is reset instead of the answer. */
  | 'lose-answer'
  /** Never answered, not handled. */
  | 'hang'
  /** Handled, and the answer waits for `release()`. */
  | 'hold-answer'
  /** This answer, not handled. */
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }

export interface TokenRequest {
  readonly grantType: string
  readonly clientId: string | undefined
  /** `not-handled`: a fault came before the provider saw it. */
  readonly outcome: 'succeeded' | 'refused' | 'not-handled'
  /** The OAuth error code of a refusal. */
  readonly error: string | undefined
  readonly fault: TokenFault | undefined
  /** The refresh token that was presented, and the one that was issued. Tokens of the demo, kept in memory. */
  readonly refreshToken: string | undefined
  readonly issuedRefreshToken: string | undefined
  /** Milliseconds since the epoch; the end is when the answer went or was lost, `Infinity` while it is held. */
  readonly beganAt: number
  readonly endedAt: number
  /** It was handled, and the provider went down before all of the answer was out. */
  readonly wasCutOff: boolean
}

export interface TokenEndpoint {
  /** Requests that came to their end, oldest first (the last ten thousand). */
  readonly requests: readonly TokenRequest[]
  /** How many of them match. */
  count(match?: Partial<Pick<TokenRequest, 'grantType' | 'outcome' | 'clientId' | 'error'>>): number
  /** Forgets the requests so far. */
  forget(): void
  /** Makes the next `count` requests fail; without a count, all of them until `clear()`. */
  inject(fault: TokenFault, count?: number): void
  /** Ends the fault, and releases what is held. */
  clear(): void
  /** Lets go the answers that are held by `hold-answer`. */
  release(): void
  /** Resolves once so many answers are held. */
  whenHeld(count: number): Promise<void>
}

export interface TokenEndpointControl extends TokenEndpoint {
  readonly middleware: (ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>
}

const keptRequests = 10_000
const bodyLimitBytes = 64 * 1024

export function createTokenEndpointControl(tokenPath: string, isDown: () => boolean): TokenEndpointControl {
  const requests: TokenRequest[] = []
  const held = new Set<() => void>()
  const waiting = new Set<{ count: number; resolve: () => void }>()
  /** How often faults were ended: what was taken before is not held after. */
  let ends = 0
  let active: { fault: TokenFault; left: number } | undefined

  function takeFault(): TokenFault | undefined {
    if (!active) return undefined
    const { fault } = active
    active.left -= 1
    if (active.left <= 0) active = undefined
    return fault
  }

  function record(request: TokenRequest): void {
    requests.push(request)
    if (requests.length > keptRequests) requests.shift()
  }

  function hold(): Promise<void> {
    return new Promise((resolve) => {
      held.add(resolve)
      for (const waiter of waiting) {
        if (held.size < waiter.count) continue
        waiting.delete(waiter)
        waiter.resolve()
      }
    })
  }

  function release(): void {
    for (const resolve of held) resolve()
    held.clear()
  }

  return {
    requests,
    count: (match = {}) =>
      requests.filter((request) =>
        Object.entries(match).every(([name, value]) => request[name as keyof TokenRequest] === value),
      ).length,
    forget: () => {
      requests.length = 0
    },
    inject(fault, count = Number.POSITIVE_INFINITY) {
      active = { fault, left: count }
    },
    clear() {
      ends += 1
      active = undefined
      release()
    },
    release,
    whenHeld: (count) =>
      held.size >= count ? Promise.resolve() : new Promise((resolve) => waiting.add({ count, resolve })),

    async middleware(ctx, next) {
      if (ctx.method !== 'POST' || ctx.path !== tokenPath) return next()
      const fault = takeFault()
      const beganAt = Date.now()
      const endsThen = ends

      if (fault !== undefined && isBeforeHandling(fault)) {
        const form = new URLSearchParams(await readText(ctx.req))
        answerInstead(ctx, fault)
        const grantType = form.get('grant_type') ?? ''
        const clientId = form.get('client_id') ?? undefined
        const tokens = { refreshToken: form.get('refresh_token') ?? undefined, issuedRefreshToken: undefined }
        const times = { beganAt, endedAt: Date.now() }
        record({
          grantType,
          clientId,
          outcome: 'not-handled',
          error: undefined,
          fault,
          ...tokens,
          ...times,
          wasCutOff: false,
        })
        return
      }

      await next()
      const error = ctx.status === 200 ? undefined : errorCode(ctx.body)
      const answered = {
        grantType: String(ctx.oidc.params?.grant_type ?? ''),
        clientId: ctx.oidc.client?.clientId,
        outcome: ctx.status === 200 ? 'succeeded' : 'refused',
        error,
        fault,
        refreshToken: ctx.oidc.params?.refresh_token as string | undefined,
        issuedRefreshToken: (ctx.body as { refresh_token?: string } | undefined)?.refresh_token,
        beganAt,
      } as const
      const isHeld = fault === 'hold-answer' && ends === endsThen
      const request = { ...answered, endedAt: isHeld ? Number.POSITIVE_INFINITY : Date.now(), wasCutOff: false }
      record(request)
      ctx.res.once('close', () => {
        request.wasCutOff = !ctx.res.writableFinished && isDown()
      })
      if (isHeld) {
        await hold()
        request.endedAt = Date.now()
      }
      if (fault === 'lose-answer') {
        ctx.respond = false
        ctx.req.socket.destroy()
      }
      if (fault === 'garbage') {
        ctx.status = 200
        ctx.type = 'text/html'
        ctx.body = '<!doctype html><title>Not a token response</title>'
      }
    },
  }
}

function isBeforeHandling(fault: TokenFault): boolean {
  return typeof fault === 'object' || fault === '503' || fault === 'reset' || fault === 'hang'
}

function answerInstead(ctx: KoaContextWithOIDC, fault: TokenFault): void {
  if (fault === 'reset' || fault === 'hang') {
    ctx.respond = false
    if (fault === 'reset') ctx.req.socket.destroy()
    return
  }
  const answer =
    typeof fault === 'object'
      ? fault
      : { status: 503, body: { error: 'temporarily_unavailable' }, headers: { 'Retry-After': '1' } }
  ctx.status = answer.status
  ctx.body = answer.body ?? ''
  if (answer.headers) ctx.set({ ...answer.headers })
}

function errorCode(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined
  return String(body.error)
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > bodyLimitBytes) break
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
