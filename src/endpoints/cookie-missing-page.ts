/**
 * On a developer's own machine: the sign-in came back, and the browser did not bring the cookie that it was begun
 * with. A redirect to the app would hide why, so a page says it. In production it is a plain expired sign-in.
 */
import type { Config } from '../config/types.ts'
import type { Clock } from '../runtime.ts'
import type { RequestCookies } from '../session/cookie-names.ts'
import { loginLifetimeSeconds } from '../session/login-transaction.ts'

/** A state of ours, begun lately, and no cookie of ours at all: the browser did not keep it, or has another name for us. */
export function isCookieMissing(
  config: Config,
  id: string | undefined,
  cookies: RequestCookies,
  clock: Clock,
): boolean {
  if (config.isSecureOrigin || id === undefined) return false
  const age = clock.now() / 1000 - Number.parseInt(id, 36)
  const hasOurs = [...cookies.keys()].some((name) => name.startsWith('__Host-Http-coatcheck'))
  return age >= 0 && age < loginLifetimeSeconds && !hasOurs
}

export function cookieMissingPage(origin: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The sign-in cookie did not come back</title>
<h1>The sign-in cookie did not come back</h1>
<p>The authorization server answered, but this browser did not send the cookie that the sign-in was begun with.
This page is shown only where <code>baseUrl</code> is plain HTTP on this machine. The usual causes:</p>
<ul>
<li>Safari does not keep <code>Secure</code> cookies of <code>http://localhost</code>. Run <code>coatcheck serve --https</code>.</li>
<li>The sign-in was begun under another host name. Open the app as <code>${escapeHtml(origin)}</code>:
<code>localhost</code> and <code>127.0.0.1</code> are different hosts.</li>
<li>Cookies are blocked, or the sign-in was finished in another browser or a private window.</li>
</ul>
<p><a href="/">Back to the app</a></p>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
