/**
 * One sign-in under way. It lives sealed in a cookie of its own, so that two tabs can sign in at once, for ten
 * minutes. The cookie is Lax, because it has to come back from another site (RFC 10017 §6.1.3.2).
 */
import type { Clock } from '../runtime.ts'
import { type CookieChange, loginCookiePrefix, type RequestCookies, sessionCookieName } from './cookie-names.ts'
import type { Sealer } from './seal.ts'
import { randomId } from './session.ts'

export interface LoginTransaction {
  readonly id: string
  readonly state: string
  readonly nonce: string
  readonly codeVerifier: string
  readonly returnTo: string
  readonly maxAgeSeconds?: number
  /** Epoch seconds. */
  readonly startedAt: number
}

export const loginLifetimeSeconds = 600
/** All sign-in cookies together; the oldest goes (C4). */
const maxTotalBytes = 4096
/** `=` and `; `. */
const separatorBytes = 3
/** What nginx takes for one header line, less some room for cookies of others. */
const maxCookieHeaderBytes = 7600

/** Begins with the time, so that ids sort by age. */
export function newTransactionId(clock: Clock): string {
  return `${Math.floor(clock.now() / 1000).toString(36)}-${randomId(6)}`
}

/** The id that a `state` begins with; undefined for a state that is not ours. */
export function transactionIdOf(state: string): string | undefined {
  const id = state.slice(0, Math.max(0, state.indexOf('.')))
  return isTransactionId(id) ? id : undefined
}

const idForm = /^[0-9a-z]{5,8}-[\w-]{8}$/
function isTransactionId(text: string): boolean {
  return idForm.test(text)
}

export async function loginCookies(
  sealer: Sealer,
  transaction: LoginTransaction,
  present: RequestCookies,
): Promise<CookieChange[]> {
  const { id, ...content } = transaction
  const name = loginCookiePrefix + id
  const value = await sealer.seal(JSON.stringify(content))
  return [
    { name, value, sameSite: 'Lax', maxAgeSeconds: loginLifetimeSeconds },
    ...crowdedOut(name.length + value.length + separatorBytes, present),
  ]
}

/** Undefined for none, garbage, or one that is too old. */
export async function openLoginTransaction(
  sealer: Sealer,
  id: string,
  cookies: RequestCookies,
  clock: Clock,
): Promise<LoginTransaction | undefined> {
  const value = cookies.get(loginCookiePrefix + id)
  const text = value === undefined ? undefined : await sealer.open(value)
  if (text === undefined) return undefined
  const content = JSON.parse(text) as Omit<LoginTransaction, 'id'>
  // Sealed under another id, it belongs to another sign-in.
  if (transactionIdOf(content.state) !== id) return undefined
  const age = clock.now() / 1000 - content.startedAt
  return age < loginLifetimeSeconds ? { id, ...content } : undefined
}

/** Ids of the sign-ins that this browser has under way, oldest first; what only looks alike is left alone. */
export function transactionIds(cookies: RequestCookies): string[] {
  return [...cookies.keys()]
    .filter((name) => name.startsWith(loginCookiePrefix))
    .map((name) => name.slice(loginCookiePrefix.length))
    .filter(isTransactionId)
    .sort()
}

export function clearedLoginCookie(id: string): CookieChange {
  return { name: loginCookiePrefix + id, value: undefined, sameSite: 'Lax' }
}

function crowdedOut(newBytes: number, present: RequestCookies): CookieChange[] {
  const size = (name: string) => name.length + (present.get(name)?.length ?? 0) + separatorBytes
  const ids = transactionIds(present)
  let total = newBytes + ids.reduce((sum, id) => sum + size(loginCookiePrefix + id), 0)
  let sessionBytes = 0
  for (const name of present.keys()) {
    if (name.startsWith(sessionCookieName) && !name.startsWith(loginCookiePrefix)) sessionBytes += size(name)
  }
  const budget = Math.min(maxTotalBytes, maxCookieHeaderBytes - sessionBytes)
  const gone: CookieChange[] = []
  for (const id of ids) {
    if (total <= budget) break
    total -= size(loginCookiePrefix + id)
    gone.push(clearedLoginCookie(id))
  }
  return gone
}
