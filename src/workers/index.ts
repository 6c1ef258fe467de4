/** Workers' side: a Worker made of a configuration, and the parts of it for an app of one's own. No logic. */
export { type AppPagesOptions, appPages } from './app-pages.ts'
export { assetPages } from './assets.ts'
export {
  type DurableObjectCoordinatorOptions,
  durableObjectCoordinator,
  type SessionNamespace,
  type SessionStub,
} from './durable-object-coordinator.ts'
export { durableObjectStore } from './durable-object-store.ts'
export { type WorkersRuntimeOptions, workersRuntime } from './runtime.ts'
export { CoatcheckSession } from './session-object.ts'
export type { WorkerContext, WorkerHandler, WorkerHandlers } from './types.ts'
export { type WorkerOptions, worker } from './worker.ts'
