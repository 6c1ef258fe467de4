/**
 * What the provider saw of refreshes, counted: how many a perfect client would have sent, and whose session ended
 * because the answer with its next token was lost.
 *
 * The perfect client has our margin (protocol.md R2): it refreshes a version when a call comes in the last quarter of
 * the access token's life (or in its last second, where that is more), or later. It sends one request for it, and one more after each that brought no tokens: at
 * once after the first that may have reached the server (R7), else a second later. All others are one too many: of a
 * token that was not due, while another request for it was under way, after an answer, or too soon.
 */
import type { TokenRequest } from '../../spa-example/provider/index.ts'

export interface RefreshCount {
  readonly sent: number
  readonly needed: number
}

const retryMs = 1000
/** Clocks and timers. */
const toleranceMs = 100
/**
 * From an answer to the end of the process that it came to, as its parent sees that; and after that, until the provider
 * has read what the process had sent before. The parent is the provider, and all of them share two cores.
 */
const noticedWithinMs = 2000
/** A token is not used in its last second. */
const lastUseMs = 1000
/** Times of tokens are whole seconds. */
const wholeSecondMs = 1000

export function countRefreshes(requests: readonly TokenRequest[], accessTokenMs: number): RefreshCount {
  const issuedAt = issueTimes(requests)
  const byToken = Map.groupBy(
    requests.filter(({ grantType }) => grantType === 'refresh_token'),
    ({ refreshToken }) => refreshToken ?? '',
  )
  const marginMs = Math.max(accessTokenMs / 4, lastUseMs)
  let sent = 0
  let needed = 0
  for (const [token, all] of byToken) {
    sent += all.length
    const at = issuedAt.get(token)
    needed += neededOf(all, at === undefined ? 0 : at + accessTokenMs - marginMs - wholeSecondMs)
  }
  return { sent, needed }
}

/** @param requests all for one refresh token */
function neededOf(requests: readonly TokenRequest[], dueAt: number): number {
  let notBefore = dueAt
  let needed = 0
  let mayBeRepeatedAtOnce = true
  for (const request of requests.toSorted((one, other) => one.beganAt - other.beganAt)) {
    if (request.beganAt < notBefore - toleranceMs) continue
    needed += 1
    if (broughtAnAnswer(request)) return needed
    const isAtOnce = mayBeRepeatedAtOnce && mayHaveBeenHandled(request)
    if (isAtOnce) mayBeRepeatedAtOnce = false
    notBefore = request.endedAt + (isAtOnce ? 0 : retryMs)
  }
  return needed
}

/** @param requests the sign-ins among them, that the first version comes from */
function issueTimes(requests: readonly TokenRequest[]): Map<string, number> {
  const times = new Map<string, number>()
  for (const { issuedRefreshToken, endedAt } of requests) {
    if (issuedRefreshToken !== undefined) times.set(issuedRefreshToken, endedAt)
  }
  return times
}

function broughtAnAnswer(request: TokenRequest): boolean {
  return request.outcome !== 'not-handled' && !isAnswerLost(request)
}

/** The provider did what was asked, and the answer did not come as it was. */
export function isAnswerLost({ fault, wasCutOff }: TokenRequest): boolean {
  return fault === 'lose-answer' || fault === 'garbage' || wasCutOff
}

/**
 * It was on its way, or its answer had just gone, when a process died: that may have been who sent it.
 *
 * @param diedAt milliseconds since the epoch, when the death was noticed
 */
export function mayHaveDiedWithHolder({ beganAt, endedAt }: TokenRequest, diedAt: number): boolean {
  return beganAt <= diedAt + noticedWithinMs && endedAt >= diedAt - noticedWithinMs
}

function mayHaveBeenHandled({ fault }: TokenRequest): boolean {
  return fault !== '503' && typeof fault !== 'object'
}

/** Who a refresh token belongs to, by the first one that its chain began with. */
export function grantOf(requests: readonly TokenRequest[]): (refreshToken: string) => string {
  const firsts = new Map<string, string>()
  for (const { refreshToken, issuedRefreshToken } of requests) {
    if (issuedRefreshToken === undefined) continue
    firsts.set(issuedRefreshToken, firsts.get(refreshToken ?? '') ?? issuedRefreshToken)
  }
  return (refreshToken) => firsts.get(refreshToken) ?? refreshToken
}

/**
 * Grants whose newest refresh token was never seen again, although the one before it was: its answer did not arrive.
 * Where a fault loses that answer or kills who holds it, nobody had that token (R8).
 *
 * @param mayBeLost of a request whose fault, or whose process's death, takes the answer
 */
export function grantsOfLostAnswers(
  requests: readonly TokenRequest[],
  mayBeLost: (request: TokenRequest) => boolean,
): Set<string> {
  const grant = grantOf(requests)
  const presented = new Set(requests.filter(({ outcome }) => outcome === 'succeeded').map((one) => one.refreshToken))
  const lost = new Set<string>()
  for (const request of requests) {
    const { grantType, outcome, refreshToken, issuedRefreshToken } = request
    if (grantType !== 'refresh_token' || outcome !== 'succeeded' || issuedRefreshToken === undefined) continue
    if (mayBeLost(request) && !presented.has(issuedRefreshToken)) lost.add(grant(refreshToken ?? ''))
  }
  return lost
}
