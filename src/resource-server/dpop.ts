/** Checks the DPoP proof of a call (RFC 9449 §4.3, §7). */
import type { JWK } from 'jose'
import * as base64url from 'jose/base64url'
import { EmbeddedJWK } from 'jose/jwk/embedded'
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint'
import { compactVerify } from 'jose/jws/compact/verify'
import { type Algorithm, assertTrustworthyUrl, readAlgorithms } from './authorization-servers.ts'
import type { DPoPNonces } from './dpop-nonces.ts'
import { GuardError } from './guard-error.ts'
import { type JsonObject, readJwt, readPayload } from './jwt-syntax.ts'
import { readSeconds } from './option-numbers.ts'
import { memoryReplayStore, type ReplayStore } from './replay-store.ts'

/**
 * How DPoP proofs are checked.
 *
 * @example
 * ```ts
 * const dpop: DPoPOptions = { origin: 'https://api.example.com', required: true }
 * ```
 */
export interface DPoPOptions {
  /**
   * Where clients call this API, `https://api.example.com`: the origin of a proof's `htu`. Never taken from the request,
   * whose `Host` its sender chooses: a proof for another API would do.
   */
  readonly origin: string
  /** Take tokens that are bound to a DPoP key only. Default false. */
  readonly required?: boolean
  /** Of proofs. Default: every asymmetric one. */
  readonly algorithms?: readonly Algorithm[]
  /** How old a proof may be. Default 60. */
  readonly maxAgeSeconds?: number
  /** Default: `memoryReplayStore()`, which is of one process. */
  readonly replayStore?: ReplayStore
  /** Ask for a nonce in each proof. Default: none. */
  readonly nonces?: DPoPNonces
}

export interface PresentedProof {
  /** The DPoP field. */
  readonly proof: string | null
  readonly method: string
  /** The request's URL, of which the path counts. */
  readonly url: string
  readonly token: string
  /** The thumbprint that the token is bound to. */
  readonly jkt: string
}

export interface ProofChecker {
  readonly isRequired: boolean
  readonly algorithms: readonly Algorithm[]
  /** @throws GuardError `invalid_dpop_proof`, `use_dpop_nonce` */
  check(presented: PresentedProof): Promise<void>
}

const maxProofBytes = 4096
const maxJtiLength = 256
/** RFC 7518 §6: the members that make a key private, or symmetric. */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** @throws TypeError if an option cannot be used */
export function proofChecker(
  options: DPoPOptions,
  parts: { now: () => number; clockToleranceSeconds: number },
): ProofChecker {
  const { now, clockToleranceSeconds } = parts
  const { nonces } = options
  const maxAgeSeconds = readSeconds(options.maxAgeSeconds ?? 60, 'dpop.maxAgeSeconds')
  const { origin } = assertTrustworthyUrl(options.origin, 'dpop.origin')
  const algorithms = readAlgorithms(options.algorithms)
  const replayStore = options.replayStore ?? memoryReplayStore({ now })

  return {
    isRequired: options.required ?? false,
    algorithms,
    async check({ proof, method, url, token, jkt }) {
      const { jwk, payload } = readProof(proof, algorithms)
      if ((await thumbprint(jwk)) !== jkt) throw invalidProof('dpop_key')
      await verifySignature(proof as string, algorithms)
      if (payload.htm !== method) throw invalidProof('htm')
      const path = pathOf(url)
      if (path === undefined || pathOf(payload.htu, origin) !== path) throw invalidProof('htu')
      if (payload.ath !== (await sha256(new TextEncoder().encode(token)))) throw invalidProof('ath')

      if (nonces) await checkNonce(nonces, payload.nonce)
      const { iat, jti } = payload
      const nowSeconds = now() / 1000
      if (typeof iat !== 'number' || iat > nowSeconds + clockToleranceSeconds) throw invalidProof('iat')
      const expiresAt = iat + maxAgeSeconds + clockToleranceSeconds
      if (expiresAt < nowSeconds) throw invalidProof('iat')
      if (typeof jti !== 'string' || jti === '' || jti.length > maxJtiLength) throw invalidProof('jti')
      // Last, so that only good proofs are remembered; ids are unique for a key only.
      if ((await replayStore.add(`${jkt}:${jti}`, expiresAt)) !== true) throw invalidProof('replay')
    },
  }
}

function readProof(proof: string | null, algorithms: readonly Algorithm[]): { jwk: JWK; payload: JsonObject } {
  // A repeated field arrives joined by a comma, which is no JWT (§4.3, 1).
  const jwt = readJwt(proof ?? '', maxProofBytes)
  const payload = jwt && readPayload(jwt)
  if (!payload) throw invalidProof(proof === null ? 'proof_missing' : 'syntax')
  const { typ, alg, jwk, crit } = jwt.header
  if (typeof typ !== 'string' || !/^(?:application\/)?dpop\+jwt$/i.test(typ)) throw invalidProof('typ')
  if (!(algorithms as readonly unknown[]).includes(alg)) throw invalidProof('algorithm')
  if (crit !== undefined) throw invalidProof('crit')
  const isPublicKey =
    typeof jwk === 'object' && jwk !== null && !privateMembers.some((name) => Object.hasOwn(jwk, name))
  if (!isPublicKey) throw invalidProof('jwk')
  return { jwk: jwk as JWK, payload }
}

async function thumbprint(jwk: JWK): Promise<string> {
  try {
    return await calculateJwkThumbprint(jwk, 'sha256')
  } catch {
    throw invalidProof('jwk')
  }
}

async function verifySignature(proof: string, algorithms: readonly Algorithm[]): Promise<void> {
  try {
    await compactVerify(proof, EmbeddedJWK, { algorithms: [...algorithms] })
  } catch {
    // The key is the sender's own: whatever is wrong with it is their fault, too.
    throw invalidProof('signature')
  }
}

/** §4.3, 9 and 11: without query and fragment, and normalized as URLs are. Undefined for another origin. */
function pathOf(url: unknown, origin?: string): string | undefined {
  const parsed = typeof url === 'string' ? URL.parse(url) : null
  if (!parsed || (origin !== undefined && parsed.origin !== origin)) return undefined
  return parsed.pathname
}

async function checkNonce(nonces: DPoPNonces, nonce: unknown): Promise<void> {
  if (typeof nonce === 'string' && (await nonces.accepts(nonce)) === true) return
  const dpopNonce = await nonces.issue()
  throw new GuardError('use_dpop_nonce', { reason: 'nonce', dpopNonce, scheme: 'DPoP' })
}

/** base64url, without padding. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}

function invalidProof(reason: string): GuardError {
  return new GuardError('invalid_dpop_proof', { reason, scheme: 'DPoP' })
}
