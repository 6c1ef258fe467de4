/** Coatcheck's own errors (RFC 9457), told apart from whatever an API behind it answers. */

/** The close code of a WebSocket whose session has ended: look at the session before opening another. */
export const sessionEndCode = 4401

const problemType = 'urn:coatcheck:problem:'
const longestProblemBytes = 16 * 1024

/** The codes that a page can meet. There may be more: treat an unknown one by its status. */
export type ProblemCode =
  | 'csrf'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'
  | 'internal_error'
  | 'invalid_request'
  | 'login_required'
  | 'method_not_allowed'
  | 'no_route'
  | 'path_not_canonical'
  | 'payload_too_large'
  | 'provider_unavailable'
  | 'session_changed'
  | 'session_not_found'
  | 'step_up_required'
  | 'store_unavailable'
  | 'streams_busy'
  | 'too_many_streams'
  | 'upstream_redirect'
  | 'upstream_timeout'
  | 'upstream_unreachable'
  | (string & {})

export class CoatcheckProblem extends Error {
  override readonly name = 'CoatcheckProblem'
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  /** With `login_required`: a sign-in without the person's doing (`prompt=none`) may succeed. */
  readonly isSilentLoginPossible: boolean

  /**
   * What to give `login()`, in seconds: with `step_up_required` of Coatcheck, and with `insufficient_user_authentication` of
   * an API behind its guard (RFC 9470).
   */
  readonly maxAge: number | undefined
  /** As `maxAge`: names with spaces between. */
  readonly acrValues: string | undefined

  constructor(
    code: ProblemCode,
    status: number,
    title: string,
    isSilentLoginPossible = false,
    { maxAge, acrValues }: { maxAge?: number | undefined; acrValues?: string | undefined } = {},
  ) {
    super(title)
    this.code = code
    this.status = status
    this.title = title
    this.isSilentLoginPossible = isSilentLoginPossible
    this.maxAge = maxAge
    this.acrValues = acrValues
  }
}

/**
 * The problem that a response carries if it is one of Coatcheck's, else undefined. The response's own body
 * stays unread. A problem document of an API's own is not Coatcheck's, and neither is a plain 401.
 */
export async function problemOf(response: Response): Promise<CoatcheckProblem | undefined> {
  if (response.ok || response.bodyUsed || response.body === null) return undefined
  const contentType = response.headers.get('content-type') ?? ''
  if (contentType.split(';', 1)[0]?.trim().toLowerCase() !== 'application/problem+json') return undefined
  const document = parseObject(await readText(response.clone()))
  if (typeof document?.type !== 'string' || !document.type.startsWith(problemType)) return undefined
  const code = document.type.slice(problemType.length)
  const title = typeof document.title === 'string' ? document.title : code
  return new CoatcheckProblem(code, response.status, title, document.silent === true, {
    maxAge: typeof document.max_age === 'number' ? document.max_age : undefined,
    acrValues: typeof document.acr_values === 'string' ? document.acr_values : undefined,
  })
}

/** What is longer than any problem of ours is none of ours, and is not read to its end. */
async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.byteLength
    if (bytes > longestProblemBytes) {
      void reader.cancel()
      return ''
    }
    text += decoder.decode(value, { stream: true })
  }
  return text
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
