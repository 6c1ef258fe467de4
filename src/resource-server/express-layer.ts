/** What Express's router keeps of `app.use(…)` and of a route. */

export type LayerHandler = (...args: never[]) => unknown

export interface Layer {
  readonly name: string
  handle: LayerHandler
  /** As it was declared; a router of an earlier minor does not keep it. */
  readonly rawPath?: unknown
  readonly route?: { readonly path: unknown; readonly stack: readonly RouteLayer[] }
}

export interface RouteLayer {
  /** Undefined for all of them. */
  readonly method?: string | undefined
  handle: LayerHandler
}

/** The handlers of the app that others were put in the place of, by those. */
const declared = new WeakMap<LayerHandler, LayerHandler>()

/** The handler of a layer, as the app declared it. */
export function handlerOf({ handle }: { readonly handle: LayerHandler }): LayerHandler {
  return declared.get(handle) ?? handle
}

/** Has a layer call another handler than the one that the app declared. */
export function replaceHandler(layer: { handle: LayerHandler }, handler: LayerHandler): void {
  const own = handlerOf(layer)
  if (handler !== own) declared.set(handler, own)
  layer.handle = handler
}

export function stackOf(router: unknown): readonly Layer[] | undefined {
  const { stack } = Object(router) as { stack?: readonly Layer[] }
  return Array.isArray(stack) ? stack : undefined
}
