/** How introspection is asked and answered beside plain JSON: the forms that openid-client has no switch for. */
import type { CustomFetchOptions } from 'openid-client'
import { coded } from './failures.ts'

/** The request asks for a JWT, and the answer is put where openid-client reads answers: as JSON. */
export async function fetchPhantomToken(url: string, options: CustomFetchOptions): Promise<Response> {
  if (options.method !== 'POST') return fetch(url, options as RequestInit)
  const headers = { ...options.headers, accept: 'application/jwt' }
  const response = await fetch(url, { ...options, headers } as RequestInit)
  if (response.status === 204) return Response.json({ active: false })
  if (response.status !== 200 || mediaType(response) !== 'application/jwt') return response
  return Response.json({ active: true, phantom_token: (await response.text()).trim() })
}

/** Where answers are signed, one that is not comes from somewhere else, or was taken apart on its way. */
export async function fetchSignedAnswer(url: string, options: CustomFetchOptions): Promise<Response> {
  const response = await fetch(url, options as RequestInit)
  const isAnswer = options.method === 'POST' && response.status === 200
  if (isAnswer && mediaType(response) !== 'application/token-introspection+jwt') {
    await response.body?.cancel()
    throw coded('UNSIGNED_INTROSPECTION')
  }
  return response
}

function mediaType(response: Response): string | undefined {
  return response.headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
}
