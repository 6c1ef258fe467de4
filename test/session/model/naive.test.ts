/** The proof that the model can find what it looks for. */
import { describe, expect, it, vi } from 'vitest'
import { exampleSetup, examples, repaired } from './examples.ts'
import { naiveVersions } from './naive.ts'
import { search } from './schedules.ts'
import { explore } from './world.ts'

vi.mock('../../../src/session/seal.ts', () => import('./fake-seal.ts'))
vi.mock('../../../src/session/compress.ts', () => import('./fake-seal.ts'))
vi.mock('../../../src/session/keyed-hash.ts', () => import('./fake-seal.ts'))

/** With `COATCHECK_MODEL_TRACES` the smallest counterexamples are looked for and printed, which takes longer. */
const showsTraces = process.env.COATCHECK_MODEL_TRACES !== undefined

describe('the model finds a failure where', () => {
  it.each(naiveVersions)('$name', { timeout: 120_000 }, async ({ name, symptom, variation, other }) => {
    const found = await search(
      { seed: 1, numRuns: 3000, endOnFailure: !showsTraces },
      [other && 'own grant'],
      variation,
    )
    if (showsTraces) console.info(`${name}: ${found?.replay}\n${found?.trace}`)
    expect(found?.violation).toMatch(symptom)
  })
})

describe('an order of events that was found', () => {
  it.each(examples)('$name', async ({ choices, breaks, symptom, setup }) => {
    const wrong = await explore({ ...exampleSetup, ...setup, variation: breaks() }, choices)
    expect(wrong.violation, wrong.trace.join('\n')).toMatch(symptom)
    const right = await explore({ ...exampleSetup, ...setup }, choices)
    expect(right.violation, right.trace.join('\n')).toBeUndefined()
  })

  it.each(repaired)('$name', async ({ choices, setup, plays }) => {
    const outcome = await explore({ ...exampleSetup, ...setup }, choices)
    const trace = outcome.trace.join('\n')
    expect(outcome.violation, trace).toBeUndefined()
    expect(trace).toMatch(plays)
  })
})
