/** Fetches a JSON document of an authorization server: no redirect, no more bytes than such a document has. */

/** What of `fetch` is used. On Workers it may be a service binding's. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const limitBytes = 256 * 1024

export class UnexpectedAnswer extends Error {}

export async function fetchJson(url: string, fetch: Fetch, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, {
    headers: { Accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal,
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new UnexpectedAnswer(`${url} answered ${response.status}`)
  }
  return JSON.parse(await readLimited(response, url))
}

async function readLimited(response: Response, url: string): Promise<string> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > limitBytes) {
      await reader?.cancel()
      throw new UnexpectedAnswer(`${url} answered more than ${limitBytes} bytes`)
    }
    text += decoder.decode(value, { stream: true })
  }
}
