/**
 * Heads and payloads of JWTs whose holders have the signatures: kept under the signature's hash until the token ends,
 * wherever the coordinator keeps things. They are no token without the signature, which is nowhere here, and they are
 * sealed, because a payload tells of a person.
 */
import type { Coordinator } from '../coordinator.ts'
import { CoatcheckError } from '../errors.ts'
import type { Clock } from '../runtime.ts'
import type { Sealer } from './seal.ts'

export interface SplitTokens {
  /**
   * The same again changes nothing.
   *
   * @param signatureHash SHA-256 of the signature as it is in the JWT, base64url
   * @param headAndPayload the JWT up to its second dot
   * @param expiresAt epoch seconds
   * @throws CoatcheckError `split_token_conflict`, `store_unavailable`
   */
  keep(signatureHash: string, headAndPayload: string, expiresAt: number): Promise<void>
  /** Undefined for what was never delivered, or has ended. */
  find(signatureHash: string): Promise<string | undefined>
}

export function splitTokens(coordinator: Coordinator, sealer: Sealer, clock: Clock): SplitTokens {
  const keyOf = (signatureHash: string) => `split:${signatureHash}`
  return {
    async keep(signatureHash, headAndPayload, expiresAt) {
      const ttlMs = expiresAt * 1000 - clock.now()
      const kept = await coordinator.once(keyOf(signatureHash), ttlMs, () => sealer.seal(headAndPayload))
      if ((await sealer.open(kept)) !== headAndPayload) throw new CoatcheckError('split_token_conflict')
    },
    async find(signatureHash) {
      const kept = await coordinator.recall(keyOf(signatureHash))
      return kept === undefined ? undefined : sealer.open(kept)
    },
  }
}
