/** The proof that the model can find what it looks for. */
import { describe, expect, it, vi } from 'vitest'
import { naiveVersions } from './naive.ts'
import { search } from './schedules.ts'

vi.mock('../../../src/session/seal.ts', () => import('./fake-seal.ts'))
vi.mock('../../../src/session/compress.ts', () => import('./fake-seal.ts'))

describe('the model finds a failure where', () => {
  it.each(naiveVersions)('$name', { timeout: 120_000 }, async ({ name, symptom, variation }) => {
    const found = await search({ seed: 20261125, numRuns: 3000 }, variation)
    if (process.env.COATCHECK_MODEL_TRACES) console.info(`${name}: ${found?.replay}\n${found?.trace}`)
    expect(found?.violation).toMatch(symptom)
  })
})
