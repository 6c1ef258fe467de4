/** How far a request of Express's has come past the guard. */
import type { NodeFields } from './node-fields.ts'

/**
 * What becomes of its answer. In an app within an app that has a guard, too, it is the inner one's, which tells the outer one.
 */
export interface Passage {
  /** What middleware in front of the guard has set. */
  readonly fieldsInFront: NodeFields
  /** The guard answers itself. */
  release(): void
  /** A policy has let the caller in: what is answered from then on stands. */
  letIn(): void
  /** An open policy has let the call in, as far as what stands beside it. */
  open(): void
  /** The call goes on from there: what is answered is kept back again, unless a policy has let the caller in. */
  close(): void
}

export const passages = new WeakMap<object, Passage>()

export function missingGuard(): Error {
  return new Error('allow(…) stands behind expressGuard(app, guard): call that first, with this app')
}
