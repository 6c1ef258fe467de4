/** A call that did not succeed, as one error; and its words for the person. */
import type { LoginOptions } from 'coatcheck/client'

export interface FieldError {
  /** Where in what was sent: `items[0].quantity`. */
  readonly field: string
  readonly message: string
}

/** An answer that says no: a problem document (RFC 9457) of the API or of Coatcheck, or only a status. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly status: number
  readonly code: string
  readonly source: 'api' | 'coatcheck'
  readonly fieldErrors: readonly FieldError[]
  readonly retryAfterSeconds: number | undefined
  readonly document: unknown

  constructor(response: Response, document: unknown) {
    const { type, title, code, errors } = (isObject(document) ? document : {}) as Record<string, unknown>
    super(typeof title === 'string' ? title : `The server answered ${response.status}`)
    this.status = response.status
    this.code = typeof code === 'string' ? code : String(response.status)
    this.source = typeof type === 'string' && type.startsWith('urn:coatcheck:') ? 'coatcheck' : 'api'
    this.fieldErrors = Array.isArray(errors) ? errors.filter(isFieldError) : []
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    this.retryAfterSeconds = Number.isFinite(seconds) ? seconds : undefined
    this.document = document
  }
}

/** An answer that began well and is not what was asked for: cut off, or not JSON. */
export class BrokenAnswer extends Error {
  override readonly name = 'BrokenAnswer'
}

/** `fetch` tells a lost network by a TypeError, and nothing else. */
export function isNetworkError(error: unknown): boolean {
  return error instanceof TypeError
}

export function isAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

/**
 * What a sign-in has to be asked for where the API wants a stronger or more recent one (RFC 9470): give it to `login()`.
 * Undefined for any other error.
 */
export function stepUpOf(error: unknown): Pick<LoginOptions, 'acrValues' | 'maxAge'> | undefined {
  if (!(error instanceof ApiProblem) || error.code !== 'insufficient_user_authentication') return undefined
  const { acr_values: acrValues, max_age: maxAge } = error.document as Record<string, unknown>
  return {
    acrValues: typeof acrValues === 'string' ? acrValues : undefined,
    maxAge: typeof maxAge === 'number' ? maxAge : undefined,
  }
}

/** What to tell the person, and what they can do. */
export function explain(error: unknown): string {
  if (isNetworkError(error)) return 'The server could not be reached. Check your connection.'
  if (error instanceof BrokenAnswer) return 'The answer broke off on its way. Try again.'
  if (!(error instanceof ApiProblem)) return 'Something went wrong in this page. Reload it to try again.'
  const { status, code, retryAfterSeconds } = error
  if (code === 'login_required') return 'Your session has ended. Sign in again to go on.'
  if (code === 'session_changed') return 'Somebody else has signed in on this browser.'
  if (code === 'insufficient_user_authentication') return 'For this, show once more that it is you.'
  if (code === 'insufficient_scope') return 'Your account is not allowed to do this. Ask whoever manages it.'
  if (code === 'changed_meanwhile') return 'This was changed meanwhile. Load the newest version, then change it again.'
  if (code === 'upstream_timeout') return 'The API takes too long to answer. Try again in a moment.'
  if (status === 401) return 'The API did not accept this call. You are still signed in; try again.'
  if (status === 403) return 'You are not allowed to do this.'
  if (status === 404) return 'There is nothing here. It may have been deleted.'
  if (status === 409) return 'This does not go together with what is there. Reload and try again.'
  if (status === 413) return 'That is too large.'
  if (status === 422) return 'Some of what you entered cannot be used.'
  if (status === 429) return `Too many calls at once. Try again ${inSeconds(retryAfterSeconds)}.`
  if (status === 503) return `The service is having a rest. Try again ${inSeconds(retryAfterSeconds)}.`
  if (status >= 500) return 'The roastery’s server has a problem. Nothing you did; try again in a while.'
  return error.message
}

function inSeconds(seconds: number | undefined): string {
  return seconds === undefined ? 'in a moment' : `in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isFieldError(value: unknown): value is FieldError {
  return isObject(value) && 'field' in value && typeof value.field === 'string' && 'message' in value
}
