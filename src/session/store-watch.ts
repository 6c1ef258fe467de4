/**
 * Tells the operator of a store that is set up so that it would lose sessions (protocol.md S2). `coatcheck serve` does not
 * start with one; but a store that was out then, and the store of an app that mounts us, are first met by a call.
 */
import type { Coordinator } from '../coordinator.ts'
import type { Report } from '../observability/events.ts'
import type { Clock } from '../runtime.ts'

/** What is well may be set otherwise, or fail over to one that is. */
const againMs = 60 * 60 * 1000
/** A store that cannot be asked is asked again with a later call. */
const retryMs = 5000

/** @returns to be called with every call: asks now and then, and keeps nobody waiting */
export function storeWatch(coordinator: Pick<Coordinator, 'problem'>, clock: Clock, report: Report): () => void {
  if (coordinator.problem === undefined) return () => undefined
  let askAt = Number.NEGATIVE_INFINITY

  async function ask(): Promise<void> {
    try {
      const found = await coordinator.problem?.()
      askAt = clock.now() + againMs
      if (found) report({ event: 'store_misconfigured', ...found })
    } catch {
      // That the store is out is told by the calls that need it.
    }
  }

  return () => {
    if (clock.now() < askAt) return
    askAt = clock.now() + retryMs
    void ask()
  }
}
