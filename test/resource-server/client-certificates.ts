/** How an API gets the certificate of a connection whose TLS ends in front of it: as docs/resource-server.md has it. */
import type { Call } from '../../src/resource-server/index.ts'

/** Of a request on Cloudflare Workers, whose `cf` the edge writes. */
export function thumbprintOf(request: Request): string | undefined {
  interface TlsClientAuth {
    readonly certVerified: string
    readonly certRevoked: string
    /** In hexadecimal digits. */
    readonly certFingerprintSHA256: string
  }
  const { tlsClientAuth: shown } = (request as { cf?: { tlsClientAuth?: TlsClientAuth } }).cf ?? {}
  if (shown?.certVerified !== 'SUCCESS' || shown.certRevoked === '1') return undefined
  const bytes = shown.certFingerprintSHA256.match(/../g)?.map((digits) => Number.parseInt(digits, 16)) ?? []
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Of what the proxy says in `Client-Cert` (RFC 9440 §2.2). */
export function certificateOf(call: Call): Uint8Array | undefined {
  const [, base64 = ''] = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(call.headers.get('client-cert') ?? '') ?? []
  // Groups of four (RFC 4648 §4): of others `atob` throws.
  if (base64 === '' || base64.length % 4 !== 0) return undefined
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}
