/** Answers with one of our pages, with the headers that every one of them has. */
import type { KoaContextWithOIDC } from 'oidc-provider'

/** Koa's context, as far as pages need it; oidc-provider's own hooks give more. */
export type PageContext = Pick<KoaContextWithOIDC, 'set'> & { status: number; type: string; body: unknown }

/**
 * @param formTargets origins that a form of ours may lead to: browsers hold `form-action` against every redirect
 *   that follows the submission, and the last one leads back to the application.
 */
export function createPageResponder(formTargets: readonly string[]) {
  const contentSecurityPolicy = [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self'",
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')

  return (ctx: PageContext, status: number, page: string): void => {
    ctx.status = status
    ctx.type = 'text/html; charset=utf-8'
    ctx.set({
      'Cache-Control': 'no-store',
      'Content-Security-Policy': contentSecurityPolicy,
      'Cross-Origin-Opener-Policy': 'same-origin',
      // Not no-referrer: the forms' own POST would come with `Origin: null` then.
      'Referrer-Policy': 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
    })
    ctx.body = page
  }
}

export type RespondPage = ReturnType<typeof createPageResponder>
