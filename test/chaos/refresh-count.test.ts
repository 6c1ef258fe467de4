/** How many refreshes a perfect client would have sent, from what the provider saw. */
import { describe, expect, it } from 'vitest'
import {
  countRefreshes,
  grantsOfLostAnswers,
  isAnswerLost,
  mayHaveDiedWithHolder,
} from '../../bench/chaos/refresh-count.ts'
import type { TokenRequest } from '../../spa-example/provider/index.ts'

const lifeMs = 8000
const signIn = request({
  grantType: 'authorization_code',
  refreshToken: undefined,
  issuedRefreshToken: 'one',
  beganAt: 0,
})

function request(changes: Partial<TokenRequest>): TokenRequest {
  const beganAt = changes.beganAt ?? 7000
  return {
    grantType: 'refresh_token',
    clientId: 'app',
    outcome: 'succeeded',
    error: undefined,
    fault: undefined,
    refreshToken: 'one',
    issuedRefreshToken: 'two',
    beganAt,
    endedAt: beganAt + 10,
    wasCutOff: false,
    ...changes,
  }
}

const counted = (...requests: TokenRequest[]) => countRefreshes([signIn, ...requests], lifeMs)
const unanswered = { outcome: 'not-handled', issuedRefreshToken: undefined } as const

describe('a perfect client', () => {
  it('sends one request for each version that was due', () => {
    const next = request({ beganAt: 14_000, refreshToken: 'two', issuedRefreshToken: 'three' })
    expect(counted(request({}), next)).toEqual({ sent: 2, needed: 2 })
  })

  it('sends none before the last quarter of the token’s life', () => {
    expect(counted(request({ beganAt: 2000 }))).toEqual({ sent: 1, needed: 0 })
  })

  it('sends no second one while one is under way, nor after an answer', () => {
    const race = [request({}), request({ beganAt: 7005, outcome: 'refused', issuedRefreshToken: undefined })]
    expect(counted(...race)).toEqual({ sent: 2, needed: 1 })
    const late = request({ beganAt: 9000, outcome: 'refused', issuedRefreshToken: undefined })
    expect(counted(request({}), late)).toEqual({ sent: 2, needed: 1 })
  })

  it('asks at once for an answer that was lost, and then a second later', () => {
    const lost = request({ fault: 'lose-answer' })
    const again = (beganAt: number) => request({ fault: 'lose-answer', beganAt })
    expect(counted(lost, again(7015), request({ beganAt: 8100 }))).toEqual({ sent: 3, needed: 3 })
    expect(counted(lost, again(7015), request({ beganAt: 7300 }))).toEqual({ sent: 3, needed: 2 })
  })

  it('asks at once for an answer that the provider went down with', () => {
    const cutOff = request({ wasCutOff: true })
    expect(counted(cutOff, request({ beganAt: 7015 }))).toEqual({ sent: 2, needed: 2 })
  })

  it('asks a server that said 503 a second later', () => {
    const refused = request({ fault: '503', ...unanswered })
    expect(counted(refused, request({ beganAt: 7200 }))).toEqual({ sent: 2, needed: 1 })
    expect(counted(refused, request({ beganAt: 8100 }))).toEqual({ sent: 2, needed: 2 })
  })
})

describe('a session that nobody could have saved', () => {
  it('is one whose only answer with the next token was lost', () => {
    expect([...grantsOfLostAnswers([signIn, request({ fault: 'lose-answer' })], isAnswerLost)]).toEqual(['one'])
    expect([...grantsOfLostAnswers([signIn, request({ wasCutOff: true })], isAnswerLost)]).toEqual(['one'])
  })

  it('is one whose process died while it asked, or with the answer in its hands', () => {
    const diedAt = 7500
    const isLost = (one: TokenRequest) => mayHaveDiedWithHolder(one, diedAt)
    const heldWhenItDied = request({ beganAt: 7200, endedAt: 8000 })
    const readAfter = request({ beganAt: 7600 })
    for (const lost of [request({}), heldWhenItDied, readAfter]) {
      expect([...grantsOfLostAnswers([signIn, lost], isLost)]).toEqual(['one'])
    }
    const longBefore = request({ beganAt: 5000 })
    const after = request({ beganAt: 9600 })
    for (const other of [longBefore, after]) expect([...grantsOfLostAnswers([signIn, other], isLost)]).toEqual([])
  })

  it('is none whose next token was used, nor whose answer arrived', () => {
    const used = request({ beganAt: 14_000, refreshToken: 'two', issuedRefreshToken: 'three' })
    expect([...grantsOfLostAnswers([signIn, request({ fault: 'lose-answer' }), used], isAnswerLost)]).toEqual([])
    expect([...grantsOfLostAnswers([signIn, request({})], isAnswerLost)]).toEqual([])
  })
})
