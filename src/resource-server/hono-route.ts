/** What Hono keeps of a route, in the app's list and for a call. */

export type Handler = (...args: never[]) => unknown

export interface Route {
  readonly method: string
  readonly path: string
  /** Of the app that declares it, which is a part of `path`. */
  readonly basePath: string
  readonly handler: Handler
}

/** Hono wraps a handler when its sub-app has an error handler of its own, and keeps it under this name. */
export function unwrapped(handler: Handler): Handler {
  const inner = (handler as { __COMPOSED_HANDLER?: Handler }).__COMPOSED_HANDLER
  return inner ? unwrapped(inner) : handler
}
