/**
 * The second factor: one-time codes as an authenticator app shows them (RFC 6238). Each person's app is set up when the
 * provider starts, and the sign-in page shows what it shows, as it does their passwords: it is a demo.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Configuration, interactionPolicy } from 'oidc-provider'

/** The `acr` of somebody who has shown a password and a code. With a password alone there is none. */
export const twoFactors = 'urn:northgate:two-factors'

export interface OneTimeCodes {
  /** What the person's app shows now. */
  current(accountId: string): string
  /**
   * Whether it is that, or what was shown just before, for the first time (RFC 6238 §5.2). Counts no attempts, as somebody
   * who may be guessed at has to (RFC 4226 §7.3).
   */
  use(accountId: string, code: string): boolean
}

const stepMs = 30_000

export function createOneTimeCodes(): OneTimeCodes {
  const secrets = new Map<string, Buffer>()
  const usedSteps = new Map<string, number>()
  const secretOf = (accountId: string): Buffer => {
    const secret = secrets.get(accountId) ?? randomBytes(20)
    secrets.set(accountId, secret)
    return secret
  }
  const stepNow = () => Math.floor(Date.now() / stepMs)

  return {
    current: (accountId) => codeAt(secretOf(accountId), stepNow()),
    use(accountId, code) {
      const last = usedSteps.get(accountId) ?? 0
      const step = [stepNow(), stepNow() - 1].find(
        (one) => one > last && isSame(codeAt(secretOf(accountId), one), code),
      )
      if (step !== undefined) usedSteps.set(accountId, step)
      return step !== undefined
    },
  }
}

/** RFC 4226 §5.3, with six digits. */
export function codeAt(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hash = createHmac('sha1', secret).update(counter).digest()
  const offset = hash.readUInt8(19) & 0xf
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

function isSame(right: string, given: string): boolean {
  return right.length === Buffer.byteLength(given) && timingSafeEqual(Buffer.from(right), Buffer.from(given))
}

/** Whether the application asks for both factors (OpenID Connect Core §3.1.2.1). Other classes are not known here. */
export function asksForTwoFactors(parameters: Readonly<Record<string, unknown>>): boolean {
  return String(parameters.acr_values ?? '')
    .split(' ')
    .includes(twoFactors)
}

/** Who has shown one factor alone is asked again where both are asked for (RFC 9470 §5). */
export function interactionsWithTwoFactors(): NonNullable<Configuration['interactions']>['policy'] {
  const policy = interactionPolicy.base()
  const check = new interactionPolicy.Check(
    'two_factors',
    'A second factor is asked for',
    'login_required',
    ({ oidc }) => asksForTwoFactors(oidc.params ?? {}) && oidc.acr !== twoFactors,
  )
  policy.get('login')?.checks.add(check)
  return policy
}
