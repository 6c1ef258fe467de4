/** What `Coordinator.once` does for the first who comes, in every store that other processes read. */
import { CoatcheckError } from './errors.ts'

/** What came of it, as others are to get it: the code of an error that is one of ours. */
export type Settled = { readonly value: string } | { readonly error: string }

/**
 * Does the work, and writes what came of it. It cannot be done twice (a code that was redeemed is spent, R12): so its value
 * counts, also where it could not be written. Whoever else waits for it learns by the end of its time that nothing came.
 *
 * @throws what `work` throws
 */
export async function settleWork(
  work: () => Promise<string>,
  write: (settled: Settled) => Promise<unknown>,
): Promise<string> {
  let value: string
  try {
    value = await work()
  } catch (error) {
    // What failed first is what there is to say.
    await write({ error: error instanceof CoatcheckError ? error.code : '' }).catch(() => undefined)
    throw error
  }
  // Once more, because others may wait for a minute. A store that is out is told of by whoever asks it next.
  await write({ value })
    .catch(() => write({ value }))
    .catch(() => undefined)
  return value
}
