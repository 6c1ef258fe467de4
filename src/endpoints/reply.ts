/** Answers of our own endpoints: never stored, never a script's or a frame's (design, "The HTTP contract"). */
import { cookieFields } from '../own-cookies.ts'
import type { HeaderList } from '../runtime.ts'
import type { CookieChange } from '../session/cookie-names.ts'

export interface ReplyContent {
  status: 200 | 204 | 302 | 303
  json?: unknown
  html?: string
  location?: string
  cookies?: readonly CookieChange[]
  headers?: Readonly<Record<string, string>>
}

export type Reply = (content: ReplyContent) => Response

/** @param common the fields of every answer of ours (`endpointHeaders`) */
export function replyWith(common: HeaderList): Reply {
  return ({ status, json, html, location, cookies = [], headers = {} }) => {
    const fields = new Headers(common as [string, string][])
    if (json !== undefined) fields.set('content-type', 'application/json')
    if (html !== undefined) fields.set('content-type', 'text/html; charset=utf-8')
    if (location !== undefined) fields.set('location', location)
    for (const [name, value] of Object.entries(headers)) fields.set(name, value)
    for (const field of cookieFields(cookies)) fields.append(...field)
    return new Response(json === undefined ? (html ?? null) : JSON.stringify(json), { status, headers: fields })
  }
}
