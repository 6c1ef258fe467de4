/** `WWW-Authenticate`: RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1. */
import { type GuardError, neededToken, refusals } from './guard-error.ts'

export interface ChallengeParts {
  readonly realm: string
  /** RFC 9728. */
  readonly resourceMetadata: string | undefined
  readonly takesBearer: boolean
  /** Algorithms of proofs; undefined without DPoP. */
  readonly dpopAlgorithms: readonly string[] | undefined
}

/** The codes that are OAuth's; the others are HTTP's alone. */
const oauthErrors = new Set([
  ...['invalid_request', 'invalid_token', 'invalid_dpop_proof', 'use_dpop_nonce'],
  ...['insufficient_scope', 'insufficient_user_authentication'],
])

/** One challenge for each scheme that is taken, the error in that of the caller's; undefined where none belongs. */
export function challenge(error: GuardError, parts: ChallengeParts): string | undefined {
  if (error.code !== 'unauthenticated' && !oauthErrors.has(error.code)) return undefined
  const schemes = [
    ...(parts.takesBearer ? (['Bearer'] as const) : []),
    ...(parts.dpopAlgorithms ? (['DPoP'] as const) : []),
  ]
  const spoken = schemes.find((scheme) => scheme === error.details.scheme) ?? schemes[0]
  return schemes
    .map((scheme) => {
      const parameters = [
        ['realm', parts.realm] as const,
        ...(scheme === spoken ? errorParameters(error) : []),
        ...(parts.resourceMetadata === undefined ? [] : [['resource_metadata', parts.resourceMetadata] as const]),
        ...(scheme === 'DPoP' ? [['algs', parts.dpopAlgorithms?.join(' ') ?? ''] as const] : []),
      ]
      return `${scheme} ${parameters.map(([name, value]) => `${name}="${quoted(value)}"`).join(', ')}`
    })
    .join(', ')
}

/** None for a call without a token: it may not have known that one is needed (RFC 6750 §3.1). */
function errorParameters({ code, details }: GuardError): (readonly [string, string])[] {
  if (code === 'unauthenticated') return []
  return [
    ['error', code],
    ...(code === 'insufficient_scope' ? [] : [['error_description', refusals[code][1]] as const]),
    ...Object.entries(neededToken(details)).map(([name, value]) => [name, String(value)] as const),
  ]
}

/** All of it is the operator's; what could end the field is left out all the same. */
function quoted(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')
}
