/** Nonces that the server gives to DPoP clients (RFC 9449 §9): a proof cannot be made ahead of time. */
import * as base64url from 'jose/base64url'
import { readSeconds } from './option-numbers.ts'

/**
 * Gives nonces and knows its own. `dpopNonces` makes one that needs no memory; this one forgets all when it restarts.
 *
 * @example
 * ```ts
 * const given = new Set<string>()
 * const nonces: DPoPNonces = {
 *   issue() {
 *     const nonce = crypto.randomUUID()
 *     given.add(nonce)
 *     return nonce
 *   },
 *   accepts: (nonce) => given.has(nonce),
 * }
 * ```
 */
export interface DPoPNonces {
  issue(): string | Promise<string>
  accepts(nonce: string): boolean | Promise<boolean>
}

/**
 * Nonces that need no memory: the time they were made at, with a MAC. The same secret in all processes makes them
 * understand each other's.
 *
 * @param options `secret`: 32 bytes or more of randomness; `lifetimeSeconds`: default 300
 * @throws TypeError if an option cannot be used
 *
 * @example
 * ```ts
 * const guard = jwtGuard({
 *   issuer: 'https://login.example.com',
 *   audience: 'https://api.example.com',
 *   dpop: { origin: 'https://api.example.com', nonces: dpopNonces({ secret }) },
 * })
 * ```
 */
export function dpopNonces(options: {
  secret: Uint8Array<ArrayBuffer>
  lifetimeSeconds?: number
  now?: () => number
}): DPoPNonces {
  const { secret, now = Date.now } = options
  const lifetimeSeconds = readSeconds(options.lifetimeSeconds ?? 300, 'lifetimeSeconds')
  // A text has no such length.
  if (!(secret.byteLength >= 32)) throw new TypeError('`secret` has to be a Uint8Array of 32 bytes or more')
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  let key: Promise<CryptoKey> | undefined
  // Workers have no cryptography in module scope.
  const macKey = () => {
    key ??= crypto.subtle.importKey('raw', secret, hmac, false, ['sign', 'verify'])
    return key
  }
  const message = (madeAt: number) => new TextEncoder().encode(`dpop-nonce:${madeAt}`)

  return {
    async issue() {
      const madeAt = Math.floor(now() / 1000)
      const mac = await crypto.subtle.sign('HMAC', await macKey(), message(madeAt))
      return `${madeAt}.${base64url.encode(new Uint8Array(mac))}`
    },
    async accepts(nonce) {
      const [, time, mac] = /^(\d{1,12})\.([A-Za-z0-9_-]{43})$/.exec(nonce) ?? []
      if (time === undefined || mac === undefined) return false
      const age = now() / 1000 - Number(time)
      if (age < -1 || age > lifetimeSeconds) return false
      const bytes = base64url.decode(mac) as Uint8Array<ArrayBuffer>
      return crypto.subtle.verify('HMAC', await macKey(), bytes, message(Number(time)))
    },
  }
}
