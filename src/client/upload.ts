/** Sends a body with progress, which `fetch` cannot tell. `XMLHttpRequest` behind the face of `fetch`. */
import type { Browser } from './browser.ts'
import { type FetchParts, isOwnOrigin } from './csrf-fetch.ts'
import { problemOf } from './problem.ts'

export interface UploadOptions {
  /** Default `POST`. */
  method?: string
  headers?: HeadersInit
  signal?: AbortSignal
  onProgress?(progress: UploadProgress): void
}

export interface UploadProgress {
  readonly sentBytes: number
  /** Undefined where the browser does not know. */
  readonly totalBytes: number | undefined
}

/**
 * Resolves with the answer, whatever its status. Rejects as `fetch` does: a TypeError when the network fails or the
 * address is of another origin, the signal's reason when it is aborted.
 */
export async function upload(
  parts: FetchParts,
  url: string | URL,
  body: XMLHttpRequestBodyInit,
  options: UploadOptions = {},
): Promise<Response> {
  if (!isOwnOrigin(parts.browser, url)) throw new TypeError('Uploads go to this origin only')
  options.signal?.throwIfAborted()
  const sentRef = parts.ref()
  const headers = new Headers(options.headers)
  headers.set('X-CSRF', sentRef ?? '1')
  const response = await send(parts.browser, String(url), body, headers, options)
  const problem = await problemOf(response)
  if (problem !== undefined) parts.notice(problem, sentRef)
  return response
}

function send(
  browser: Browser,
  url: string,
  body: XMLHttpRequestBodyInit,
  headers: Headers,
  { method = 'POST', signal, onProgress }: UploadOptions,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = browser.createXhr()
    request.open(method, url)
    request.responseType = 'blob'
    headers.forEach((value, name) => {
      request.setRequestHeader(name, value)
    })
    const abort = () => request.abort()
    signal?.addEventListener('abort', abort)
    request.upload.onprogress = (event) => {
      onProgress?.({ sentBytes: event.loaded, totalBytes: event.lengthComputable ? event.total : undefined })
    }
    request.onload = () => resolve(toResponse(request))
    request.onerror = () => reject(new TypeError('The upload did not reach the server'))
    request.onabort = () => reject(signal?.reason ?? new DOMException('The upload was aborted', 'AbortError'))
    request.onloadend = () => signal?.removeEventListener('abort', abort)
    request.send(body)
  })
}

function toResponse(request: XMLHttpRequest): Response {
  const headers = new Headers()
  for (const line of request.getAllResponseHeaders().trim().split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim())
  }
  const mayHaveBody = ![101, 103, 204, 205, 304].includes(request.status)
  const body = mayHaveBody ? (request.response as Blob) : null
  return new Response(body, { status: request.status, statusText: request.statusText, headers })
}
