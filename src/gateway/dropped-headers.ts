/** In development, request header fields that did not pass are told of once: the app's author may have meant them to. */
import type { Config, Route } from '../config/types.ts'
import type { Report } from '../observability/events.ts'
import type { IncomingHeaders } from '../runtime.ts'
import { droppedRequestHeaders } from './request-headers.ts'

export type TellDropped = (route: Route, headers: IncomingHeaders) => void

/** Nobody is that forgetful; whoever sends made-up names fills no memory. */
const mostNames = 100

/** Undefined where the app does not come from a development server. */
export function tellDropped({ spa }: Config, report: Report): TellDropped | undefined {
  if (spa === undefined || !('proxy' in spa)) return undefined
  const told = new Set<string>()
  return (route, headers) => {
    const names = droppedRequestHeaders(headers, route).filter((name) => !told.has(`${route.path} ${name}`))
    if (names.length === 0 || told.size + names.length > mostNames) return
    for (const name of names) told.add(`${route.path} ${name}`)
    const add = `requestHeaders: [${names.map((name) => `'${name}'`).join(', ')}]`
    report({ event: 'request_headers_dropped', route: route.path, names, add })
  }
}
