/**
 * The few shapes of Workers that are used here. Not `@cloudflare/workers-types`: what it declares for all files
 * clashes with the DOM's, and who uses it finds that these fit.
 */

/** What a Worker gets with each request: `ExecutionContext`. */
export interface WorkerContext {
  waitUntil(work: Promise<unknown>): void
  passThroughOnException(): void
  /** What the binding that called was given. */
  readonly props: unknown
}

/** What a Worker exports as its default: `ExportedHandler<Env>`. */
export interface WorkerHandler<Env> {
  fetch(request: Request, env: Env, context: WorkerContext): Promise<Response>
}

/** The handlers of one configuration. The first is the public one; the others are reached by who binds them alone. */
export interface WorkerHandlers<Env> extends WorkerHandler<Env> {
  /** Export it by a name (`export const internal = coatcheck.internal`), and bind other Workers to that entrypoint. */
  readonly internal: WorkerHandler<Env>
  readonly management: WorkerHandler<Env>
}
