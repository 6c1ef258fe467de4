/** Errors as responses: the one place where that happens (RFC 9457). */
import { CoatcheckError, problems } from './errors.ts'
import type { HeaderList } from './runtime.ts'

/** `application/problem+json` with `type`, `title`, `status`, `code` and the error's own members. `common`: `endpointHeaders`. */
export function problemResponse(error: CoatcheckError, common: HeaderList): Response {
  const [status, title] = problems[error.code]
  const body = { type: `urn:coatcheck:problem:${error.code}`, title, status, code: error.code, ...error.members }
  return new Response(JSON.stringify(body), {
    status,
    headers: [
      ...(common as [string, string][]),
      ['content-type', 'application/problem+json'],
      ...Object.entries(error.headers),
    ],
  })
}

/** Whatever was thrown, as an error that may be shown. What it was stays in `cause`. */
export function toCoatcheckError(error: unknown): CoatcheckError {
  return error instanceof CoatcheckError ? error : new CoatcheckError('internal_error', { cause: error })
}
