/** What every row has to reach, and what excuses one that does not. */
import type { Finding } from './row.ts'
import { leaseMs } from './scenarios.ts'

/** Faults that take an answer of the provider with them; one that goes down cuts off those that are on their way. */
const losesAnswers = /^answer-lost-|^answer-garbage-|^killed-|^provider-refusing$/
/** A lost answer is asked for once more at once; that of a dead process when another may take over. */
const wireSeconds = 2
const graceNeededSeconds = (fault: string) => (fault.startsWith('killed-') ? leaseMs / 1000 : wireSeconds)

/** In words, the targets that this row has missed. */
export function missed(finding: Finding): string[] {
  const { row, losesData, gracePeriodSeconds, errorsWithLiveToken, unanswered, sentTooLate, signedOutMeanwhile } =
    finding
  const { store, fault, sessionsLost, unsavable, refreshesSent, refreshesNeeded } = row
  // A dead holder's request is repeated, and what a failover or an emptied store has forgotten cannot be known.
  const isCountKnown = !losesData && !/^killed-|^redis-failed-over$/.test(fault)
  // Only a strict server's lost answer is beyond everybody (R8): within a grace period the retry has to save the session.
  const mayBeUnsavable = losesAnswers.test(fault) && gracePeriodSeconds < graceNeededSeconds(fault)
  return [
    ...(sessionsLost > 0 && !losesData ? [`sessions lost: ${sessionsLost}`] : []),
    ...(unsavable > 0 && !mayBeUnsavable ? [`sessions lost that a second try could have saved: ${unsavable}`] : []),
    ...(refreshesSent !== refreshesNeeded && isCountKnown
      ? [`refreshes sent: ${refreshesSent}, needed: ${refreshesNeeded}`]
      : []),
    ...(errorsWithLiveToken > 0 ? [`5xx to calls with a live token: ${errorsWithLiveToken}`] : []),
    ...(unanswered > 0 ? [`calls without an answer: ${unanswered}`] : []),
    ...(signedOutMeanwhile > 0 ? [`401 to people whose sessions stood: ${signedOutMeanwhile}`] : []),
    ...(sentTooLate > 0 ? [`calls that reached the API with a token that had ended: ${sentTooLate}`] : []),
  ].map((target) => `${store}, ${fault}: ${target}`)
}
