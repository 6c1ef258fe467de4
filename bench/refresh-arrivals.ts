/**
 * When refreshes arrive at the provider, if everybody signs in within the same minute and stays: the most in one
 * second, in each round of refreshes, with the margin drawn by session and version (protocol.md R2), and with one
 * margin for all. A simulation: nothing is sent.
 *
 *     npm run bench:arrivals -- [SESSIONS] [TOKEN LIFETIME, SECONDS]
 */
import { refreshMarginMs } from '../src/session/token-age.ts'

const sessions = Number(process.argv[2] ?? 1_000_000)
const lifetimeMs = Number(process.argv[3] ?? 300) * 1000
const signInMs = 60_000
const rounds = 6

/** The most arrivals of one second. */
function peak(arrivals: Float64Array): number {
  const seconds = new Map<number, number>()
  let most = 0
  for (const at of arrivals) {
    const second = Math.floor(at / 1000)
    const count = (seconds.get(second) ?? 0) + 1
    seconds.set(second, count)
    if (count > most) most = count
  }
  return most
}

const sum = (numbers: Float64Array) => numbers.reduce((total, one) => total + one, 0)

const drawn = Float64Array.from({ length: sessions }, (_, index) => (index / sessions) * signInMs)
const fixed = drawn.slice()
const signedInAt = sum(drawn)
const sharedMarginMs = Math.min(60_000, lifetimeMs / 4)
console.log(
  `${sessions} sign-ins within a minute, access tokens of ${lifetimeMs / 1000} s: most refreshes in one second`,
)
console.log('round   drawn margin   one margin for all')
for (let round = 1; round <= rounds; round += 1) {
  for (let index = 0; index < sessions; index += 1) {
    drawn[index] =
      (drawn[index] ?? 0) + lifetimeMs - refreshMarginMs(lifetimeMs, { id: `session ${index}`, version: round })
    fixed[index] = (fixed[index] ?? 0) + lifetimeMs - sharedMarginMs
  }
  console.log(
    `${String(round).padStart(5)}   ${String(peak(drawn)).padStart(12)}   ${String(peak(fixed)).padStart(18)}`,
  )
}
// What the margins of all rounds have come to: on average a token is refreshed so long after the one before.
const roundMs = (sum(drawn) - signedInAt) / (sessions * rounds)
console.log(`Evenly spread it would be ${Math.round(sessions / (roundMs / 1000))}.`)
