/** What Express and Fastify have of a request and an answer, as far as the guard needs it: types of structure alone. */
import type { Call } from './call.ts'

/** An `http.IncomingMessage`. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly rawHeaders: readonly string[]
}

/** @param target as it came on the request line; a router may have cut its own prefix off `url` */
export function nodeCall(request: NodeRequest, target: string, native: unknown): Call {
  return {
    method: request.method ?? '',
    url: target.startsWith('/') ? `http://localhost${target}` : target,
    headers: { get: (name) => rawHeader(request.rawHeaders, name) },
    native,
  }
}

/** Node keeps the first of two `Authorization` fields and drops the other: only here both are seen. */
function rawHeader(rawHeaders: readonly string[], name: string): string | null {
  const wanted = name.toLowerCase()
  const values: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === wanted) values.push(rawHeaders[index + 1] as string)
  }
  return values.length === 0 ? null : values.join(', ')
}
