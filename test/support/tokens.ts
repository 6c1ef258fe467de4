/** What clients bring that are no browsers: access tokens from the test's provider, and what a bearer route does not take. */
import { partnerId, type RunningProvider } from '../../spa-example/provider/index.ts'

export interface AskedToken {
  readonly client?: string
  readonly resource: string
  readonly scope?: string
}

/** By client credentials. A partner's, unless another client is named. */
export async function clientToken(provider: RunningProvider, asked: AskedToken): Promise<string> {
  const { client = partnerId, resource, scope } = asked
  const response = await fetch(`${provider.issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${client}:${provider.clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource, ...(scope !== undefined && { scope }) }),
  })
  const answer = (await response.json()) as { access_token?: string }
  if (answer.access_token === undefined) throw new Error(`No token: ${JSON.stringify(answer)}`)
  return answer.access_token
}

export function bearer(token: string): { readonly headers: { readonly Authorization: string } } {
  return { headers: { Authorization: `Bearer ${token}` } }
}

/** By what they are, header fields with a credential that is no bearer token (RFC 6750 §2.1). */
export const otherCredentials: readonly (readonly [what: string, headers: Record<string, string>])[] = [
  ['a user name', { Authorization: `Basic ${btoa('a:b')}` }],
  ['a DPoP token', { Authorization: 'DPoP abc' }],
  ['a scheme that begins alike', { Authorization: 'Bearerx abc' }],
  ['a cookie alone', { Cookie: '__Host-Http-coatcheck=x' }],
]
