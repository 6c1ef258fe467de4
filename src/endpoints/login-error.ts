/** How the page learns that a sign-in did not succeed: `login_error=CODE` in the address that it comes back to. */
import type { LoginErrorCode } from '../oauth/code-grant.ts'

const parameter = 'login_error'

/** Set, not appended: one that is there already is replaced. Everything else of the address stays as it was. */
export function withLoginError(returnTo: string, code: LoginErrorCode): string {
  const hash = indexOrEnd(returnTo, '#')
  const question = indexOrEnd(returnTo.slice(0, hash), '?')
  const pairs = returnTo.slice(question + 1, hash).split('&')
  // A name may be written with escapes.
  const others = pairs.filter((pair) => pair !== '' && !new URLSearchParams(pair).has(parameter))
  const query = [...others, `${parameter}=${code}`].join('&')
  return `${returnTo.slice(0, question)}?${query}${returnTo.slice(hash)}`
}

function indexOrEnd(text: string, character: string): number {
  const index = text.indexOf(character)
  return index < 0 ? text.length : index
}
