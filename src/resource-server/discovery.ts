/** Where an issuer's keys are: OpenID Connect Discovery §4, else RFC 8414 §3. */
import { assertTrustworthyUrl } from './authorization-servers.ts'
import { type Fetch, fetchJson, UnexpectedAnswer } from './fetch-json.ts'

export async function discoverJwksUri(issuer: string, fetch: Fetch, signal: AbortSignal): Promise<string> {
  const metadata = (await firstAnswer(wellKnownUrls(issuer), fetch, signal)) as Record<string, unknown> | null
  // RFC 8414 §3.3: else one issuer could hand out its keys for another's.
  if (metadata?.issuer !== issuer) throw new UnexpectedAnswer(`The metadata is not that of ${issuer}`)
  if (typeof metadata.jwks_uri !== 'string') throw new UnexpectedAnswer(`The metadata of ${issuer} names no jwks_uri`)
  return assertTrustworthyUrl(metadata.jwks_uri, 'jwks_uri').href
}

/** OpenID appends to the issuer's path, RFC 8414 puts in front of it. */
function wellKnownUrls(issuer: string): [string, string] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ]
}

async function firstAnswer([first, second]: [string, string], fetch: Fetch, signal: AbortSignal): Promise<unknown> {
  try {
    return await fetchJson(first, fetch, signal)
  } catch (error) {
    // A server that cannot be reached is not asked twice.
    if (!(error instanceof UnexpectedAnswer)) throw error
    return fetchJson(second, fetch, signal)
  }
}
