/** Calls to the API: JSON in, JSON out, and an error for everything else. */
import { client } from '../client.ts'
import { ApiProblem, BrokenAnswer, isAborted } from './problem.ts'

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Sent as JSON. */
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
}

/**
 * Gives the JSON of a good answer; undefined for a 204.
 *
 * Rejects with an ApiProblem, a BrokenAnswer, and with what `fetch` rejects with.
 */
export async function request<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = 'GET', body, headers, signal } = options
  const response = await client.fetch(path, {
    method,
    headers: {
      Accept: 'application/json',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  })
  return read(response)
}

/** Reads an answer that was got in another way, such as an upload's. */
export async function read<Answer>(response: Response): Promise<Answer> {
  if (!response.ok) throw await problemFrom(response)
  if (response.status === 204) return undefined as Answer
  try {
    return (await response.json()) as Answer
  } catch (cause) {
    if (isAborted(cause)) throw cause
    throw new BrokenAnswer('The answer is not whole', { cause })
  }
}

/** What an answer that says no is thrown as. */
export async function problemFrom(response: Response): Promise<ApiProblem> {
  return new ApiProblem(response, await readProblem(response))
}

async function readProblem(response: Response): Promise<unknown> {
  if (!response.headers.get('content-type')?.includes('json')) return undefined
  // The status says enough where the document cannot be read.
  return response.json().catch(() => undefined)
}
