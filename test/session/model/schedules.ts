/** What is explored: how the world is set up, and what is chosen in it. */
import fc from 'fast-check'
import type { Variation } from './process.ts'
import type { Setup } from './scene.ts'
import { type Choice, explore, highestHow, highestWhat } from './world.ts'

export const others: readonly Setup['other'][] = [undefined, 'own grant', 'same grant']

const setups = (others: readonly Setup['other'][]): fc.Arbitrary<Setup> =>
  fc.record({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    skewsMs: fc.constantFrom([0, 0], [0, 0, 0], [0], [0, 60_000], [0, -60_000, 0]),
    graceMs: fc.constantFrom(0, 10_000),
    cookie: fc.constantFrom('session' as const, 'ticket' as const),
    other: fc.constantFrom(...others),
  })

const choices: fc.Arbitrary<Choice[]> = fc.array(fc.tuple(fc.nat({ max: highestWhat }), fc.nat({ max: highestHow })), {
  maxLength: 200,
  size: 'max',
})

/** The trace of the smallest counterexample that was found, with what makes it again; undefined where there is none. */
export async function search(
  parameters: { seed: number; numRuns: number; endOnFailure?: boolean },
  others: readonly Setup['other'][],
  variation?: () => Variation,
): Promise<{ replay: string; violation: string; trace: string } | undefined> {
  const run = (setup: Setup, list: Choice[]) =>
    explore({ ...setup, ...(variation && { variation: variation() }) }, list)
  const { counterexample } = await fc.check(
    fc.asyncProperty(setups(others), choices, async (...pair) => (await run(...pair)).violation === undefined),
    parameters,
  )
  if (!counterexample) return undefined
  const { violation = 'it does not fail again', trace } = await run(...counterexample)
  return { replay: JSON.stringify(counterexample), violation, trace: trace.join('\n') }
}
