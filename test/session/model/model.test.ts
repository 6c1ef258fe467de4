/**
 * The protocol of protocol.md as a model: interleavings of calls, answers, losses, crashes, sign-outs and sign-ins, as
 * many as `COATCHECK_MODEL_RUNS` says, from `COATCHECK_MODEL_SEED`. A counterexample is printed as a trace.
 */
import { expect, it, vi } from 'vitest'
import { others, search } from './schedules.ts'

vi.mock('../../../src/session/seal.ts', () => import('./fake-seal.ts'))
vi.mock('../../../src/session/compress.ts', () => import('./fake-seal.ts'))
vi.mock('../../../src/session/keyed-hash.ts', () => import('./fake-seal.ts'))

const numRuns = Number(process.env.COATCHECK_MODEL_RUNS ?? 1000)
const seed = Number(process.env.COATCHECK_MODEL_SEED ?? 20261125)

it('no session is lost, whatever happens and in whatever order', { timeout: 3_600_000 }, async () => {
  const found = await search({ seed, numRuns }, others)
  if (found) expect.fail(`${found.violation}\n${found.replay}\n${found.trace}`)
})
