/** Errors of the API, as problem documents (RFC 9457). */

export interface FieldError {
  /** Where in the body or the query: `items[0].quantity`. */
  readonly field: string
  readonly message: string
}

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly code: string
  readonly fieldErrors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: string,
    message: string,
    options: { fieldErrors?: readonly FieldError[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.fieldErrors = options.fieldErrors ?? []
    this.headers = options.headers ?? {}
  }
}

export function problemResponse(error: ApiError): Response {
  const body = {
    type: `urn:roastery:problem:${error.code}`,
    title: error.message,
    status: error.status,
    code: error.code,
    ...(error.fieldErrors.length > 0 && { errors: error.fieldErrors }),
  }
  const headers = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store', ...error.headers }
  return new Response(JSON.stringify(body), { status: error.status, headers })
}

export function notFound(what: string): ApiError {
  return new ApiError(404, 'not_found', `There is no such ${what}`)
}

export function invalid(fieldErrors: readonly FieldError[]): ApiError {
  return new ApiError(422, 'validation', 'Some of what was sent cannot be used', { fieldErrors })
}
