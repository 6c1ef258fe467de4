/**
 * An authorization server with refresh-token rotation and reuse detection: a spent token that comes again kills its whole
 * family, unless it comes within the grace period. It remembers who got which answer, so that it can say whose fault
 * that was.
 */
import { CoatcheckError } from '../../../src/errors.ts'
import type { Grant } from '../../../src/session/refresh-run.ts'
import type { SessionStart } from '../../../src/session/session.ts'
import type { RefreshOutcome, TokenSet, TokenTarget } from '../../../src/tokens.ts'
import type { Lab, Owner } from './lab.ts'

export const accessTokenSeconds = 60
/** What the server asks for that has trouble. */
const retryAfterSeconds = 60
export const requestLimitMs = 30_000
const codeLifetimeMs = 60_000

/** One use of a refresh token that worked. */
export interface Rotation {
  readonly token: string
  readonly holder: Owner
  at: number
  /** The answer never came to a process that lived on: the new token is in nobody's hand. */
  isLost: boolean
  /** When that was known, or 0. */
  lostAt: number
}

export interface Family {
  readonly name: string
  readonly live: Set<string>
  readonly rotations: Map<string, Rotation>
  /** Requests with this token that came to nothing, or whose answer did. */
  readonly mishaps: Map<string, number>
  /** Session versions that hold a refresh token, by token. */
  readonly versions: Map<string, number>
  readonly codeEndsAt: number
  /** Sign-ins under one session at the provider share a grant: what is revoked of one is revoked of all. */
  readonly grant: number
  sessionId: string | undefined
  issued: number
  end: 'revoked here' | 'revoked by the provider' | 'reuse' | undefined
  /** A revocation did not get through, or an answer with a live token did not. */
  isRevocationLost: boolean
  /** Whom the server has asked to come back, and no sooner than this. */
  readonly leaveAlone: Map<Owner, number>
  /** Who has sent a request that is under way, and when. */
  readonly requests: Map<Owner, number>
}

/** Where the person is signed in at the provider: sign-ins from there get this grant, until the person leaves. */
export interface ProviderSession {
  grant: number
}

export interface ProviderWatch {
  /** The person is wanted, whatever the refresh token is. */
  onRefuse(family: Family, token: string, owner: Owner): void
  /** Before a request leaves a process. */
  onSend(family: Family, token: string, owner: Owner): void
  /** A spent token came again, too late: these die of it. */
  onReuse(family: Family, rotation: Rotation, sharing: readonly Family[]): void
}

export class Provider {
  readonly families: Family[] = []
  #lastGrant = 0
  readonly #lab: Lab
  readonly #graceMs: number
  readonly #watch: ProviderWatch

  constructor(lab: Lab, graceMs: number, watch: ProviderWatch) {
    this.#lab = lab
    this.#graceMs = graceMs
    this.#watch = watch
  }

  /** The person has signed in; the code is on its way through the browser. */
  newFamily({ grant }: ProviderSession): Family {
    const family: Family = {
      name: String.fromCharCode(97 + this.families.length),
      live: new Set(),
      rotations: new Map(),
      mishaps: new Map(),
      versions: new Map(),
      grant,
      codeEndsAt: this.#lab.now + codeLifetimeMs,
      sessionId: undefined,
      issued: 0,
      end: undefined,
      isRevocationLost: false,
      leaveAlone: new Map(),
      requests: new Map(),
    }
    this.families.push(family)
    return family
  }

  redeem(family: Family, owner: Owner, nowSeconds: () => number): Promise<SessionStart> {
    const signInAt = Math.floor(this.#lab.now / 1000)
    const done = () => {
      if (this.#lab.now >= family.codeEndsAt) throw new CoatcheckError('login_required')
      if (family.issued > 0) {
        // RFC 6749 §4.1.2: a code that comes twice has leaked.
        family.live.clear()
        family.end ??= 'reuse'
        throw new CoatcheckError('login_required')
      }
      return {
        issuer: 'https://provider.example',
        tokens: this.#issue(family, 1, nowSeconds()),
        idToken: undefined,
        idTokenClaims: { sub: 'ada', sid: sidOf(family), iat: signInAt },
        shownClaims: {},
      }
    }
    return this.#lab.send(owner, `redeems the code of ${family.name}`, { done }, { limitMs: 1000 })
  }

  /** What a process knows of this server. */
  grant(owner: Owner, nowSeconds: () => number): Grant {
    return {
      requestLimitMs,
      refresh: ({ refreshToken }, target) => this.#refresh(refreshToken, owner, nowSeconds, target),
      revoke: (tokens) => this.#revoke(tokens, owner),
    }
  }

  begin(): ProviderSession {
    this.#lastGrant += 1
    return { grant: this.#lastGrant }
  }

  /** The person has left: the next sign-in begins anew. */
  end(session: ProviderSession): void {
    this.#lastGrant += 1
    session.grant = this.#lastGrant
  }

  sharing({ grant }: Family): Family[] {
    return this.families.filter((other) => other.grant === grant)
  }

  /** By its own decision: an administrator, a password that was changed. */
  revokeItself(family: Family): void {
    family.live.clear()
    family.end ??= 'revoked by the provider'
  }

  async #refresh(
    token: string,
    owner: Owner,
    nowSeconds: () => number,
    target: TokenTarget | undefined,
  ): Promise<RefreshOutcome> {
    const family = this.#familyOf(token)
    this.#watch.onSend(family, token, owner)
    const sentAt = this.#lab.now
    family.requests.set(owner, sentAt)
    const mishap = (outcome: RefreshOutcome) => {
      family.mishaps.set(token, (family.mishaps.get(token) ?? 0) + 1)
      return outcome
    }
    const lost = () => mishap({ kind: 'lost', cause: undefined })
    /** A request that could not be written before its limit, because its process was stopped, is given up. */
    const handle = () =>
      this.#lab.now - sentAt > requestLimitMs ? lost() : this.#handle(family, token, owner, nowSeconds, target)
    const askForTime = () => {
      family.leaveAlone.set(owner, this.#lab.now + retryAfterSeconds * 1000)
      return mishap({ kind: 'unavailable', retryAfterSeconds, cause: undefined })
    }
    /** Such as `interaction_required`: the refresh token stands, and is good for nothing until the person comes. */
    const refuse = (): RefreshOutcome => {
      this.#watch.onRefuse(family, token, owner)
      // Whom the provider refuses has no use for the token, and drops it.
      family.isRevocationLost = true
      return { kind: 'refused', cause: undefined }
    }
    const loseAnswer = (outcome: RefreshOutcome) => {
      const rotation = family.rotations.get(token)
      if (rotation && outcome.kind === 'refreshed') Object.assign(rotation, { isLost: true, lostAt: this.#lab.now })
      return lost()
    }
    try {
      return await this.#lab.send<RefreshOutcome>(
        owner,
        `sends refresh token ${token}`,
        {
          done: handle,
          'done, slowly': () => {
            const outcome = handle()
            return this.#lab.send<RefreshOutcome>(
              owner,
              `waits for the answer to ${token}`,
              { arrives: () => outcome, 'is lost': () => loseAnswer(outcome) },
              { limitMs: requestLimitMs - 1000 },
            )
          },
          'done, answer lost': () => loseAnswer(handle()),
          'reset on its way': lost,
          'not reached': () => mishap({ kind: 'unreached', cause: undefined }),
          'answered 503': () => mishap({ kind: 'unavailable', retryAfterSeconds: undefined, cause: undefined }),
          'answered 503, with Retry-After': () => askForTime(),
          'wants the person': () => refuse(),
          ...(target && { 'gives none for this API': () => ({ kind: 'target_refused', cause: undefined }) }),
        },
        { limitMs: 1000 },
      )
    } finally {
      family.requests.delete(owner)
    }
  }

  #handle(
    family: Family,
    token: string,
    holder: Owner,
    nowSeconds: () => number,
    target: TokenTarget | undefined,
  ): RefreshOutcome {
    const { now } = this.#lab
    const spent = family.rotations.get(token)
    const isInGrace = spent !== undefined && now - spent.at <= this.#graceMs && !family.end
    if (spent && !isInGrace && !family.end) {
      const sharing = this.sharing(family)
      this.#watch.onReuse(family, spent, sharing)
      for (const one of sharing) {
        one.live.clear()
        one.end ??= 'reuse'
      }
    }
    if (!isInGrace && !family.live.delete(token)) return { kind: 'invalid_grant', cause: undefined }
    family.rotations.set(token, spent ?? { token, holder, at: now, isLost: false, lostAt: 0 })
    if (spent) Object.assign(spent, { isLost: false, holder })
    const version = (family.versions.get(token) ?? 0) + 1
    return { kind: 'refreshed', tokens: this.#issue(family, version, nowSeconds(), target), idToken: undefined }
  }

  async #revoke({ refreshToken }: Partial<TokenSet>, owner: Owner): Promise<void> {
    if (refreshToken === undefined) return
    const family = this.#familyOf(refreshToken)
    const done = () => {
      if (!family.live.has(refreshToken)) return
      for (const one of this.sharing(family)) {
        one.live.clear()
        one.end ??= 'revoked here'
      }
    }
    const fail = () => {
      family.isRevocationLost = true
      throw new Error('the revocation endpoint answered 503')
    }
    await this.#lab.send(owner, `revokes ${refreshToken}`, { done, fails: fail }, { limitMs: 10_000 })
  }

  #issue(family: Family, version: number, nowSeconds: number, target?: TokenTarget): TokenSet {
    family.issued += 1
    const refreshToken = `${family.name}.${family.issued}`
    family.live.add(refreshToken)
    family.versions.set(refreshToken, version)
    return {
      accessToken: `access ${refreshToken}${target ? ` for ${target.resource}` : ''}`,
      scope: '',
      issuedAt: nowSeconds,
      expiresAt: nowSeconds + accessTokenSeconds,
      refreshToken,
    }
  }

  #familyOf(token: string): Family {
    const family = this.families.find(({ name }) => token.startsWith(`${name}.`))
    if (!family) throw new Error(`no family has ${token}`)
    return family
  }
}

/** Of a session at the provider, which all sign-ins under it are told (measured, protocol.md E2). */
export const sidOf = ({ grant }: Family): string => `sid-${grant}`
