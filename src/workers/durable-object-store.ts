/** Sessions in Durable Objects, behind tickets: an object a session, and one for each person's list (protocol.md S3). */
import type { SessionStore } from '../coordinator.ts'
import {
  type DurableObjectCoordinatorOptions,
  durableObjectCoordinator,
  type SessionNamespace,
} from './durable-object-coordinator.ts'

/** @param namespace the binding of the class `CoatcheckSession`, which the Worker has to export */
export function durableObjectStore<Id>(
  namespace: SessionNamespace<Id>,
  options: DurableObjectCoordinatorOptions = {},
): SessionStore {
  return { name: 'durable objects', cookie: 'ticket', coordinator: durableObjectCoordinator(namespace, options) }
}
