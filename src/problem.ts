/** What was thrown, as what is answered. */
import { CoatcheckError } from './errors.ts'
import type { HeaderList } from './runtime.ts'

/** `common`: `endpointHeaders`. */
export function problemResponse(error: CoatcheckError, common: HeaderList): Response {
  return error.getResponse(common)
}

/** Whatever was thrown, as an error that may be shown. What it was stays in `cause`. */
export function toCoatcheckError(error: unknown): CoatcheckError {
  return error instanceof CoatcheckError ? error : new CoatcheckError('internal_error', { cause: error })
}
