/** What every row has to reach, and what excuses one that does not. */
import type { Finding } from './row.ts'

/** In words, the targets that this row has missed. */
export function missed({ row, losesData, errorsWithLiveToken }: Finding): string[] {
  const { store, fault, sessionsLost, refreshesSent, refreshesNeeded } = row
  // A dead holder's request is repeated, and what a failover or an emptied store has forgotten cannot be known.
  const isCountKnown = !losesData && !/^killed-|^redis-failed-over$/.test(fault)
  return [
    ...(sessionsLost > 0 && !losesData ? [`sessions lost: ${sessionsLost}`] : []),
    ...(refreshesSent !== refreshesNeeded && isCountKnown
      ? [`refreshes sent: ${refreshesSent}, needed: ${refreshesNeeded}`]
      : []),
    ...(errorsWithLiveToken > 0 ? [`5xx to calls with a live token: ${errorsWithLiveToken}`] : []),
  ].map((target) => `${store}, ${fault}: ${target}`)
}
