/** How the page learns that a sign-in did not succeed: `login_error=CODE` in the address that it comes back to. */
import type { LoginErrorCode } from '../oauth/code-grant.ts'

/** Set, not appended: one that is there already is replaced. */
export function withLoginError(returnTo: string, code: LoginErrorCode): string {
  const question = returnTo.indexOf('?')
  const path = question < 0 ? returnTo : returnTo.slice(0, question)
  const query = new URLSearchParams(question < 0 ? '' : returnTo.slice(question + 1))
  query.set('login_error', code)
  return `${path}?${query}`
}
