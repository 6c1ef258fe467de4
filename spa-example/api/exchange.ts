/** What the routes share: who calls, and their books. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { type Caller, requireScope } from './authenticate.ts'
import type { BookStore } from './books.ts'
import type { Books } from './model.ts'

export interface ApiEnv {
  Bindings: HttpBindings
  Variables: {
    /** Set on every route that is not public. */
    caller: Caller
    bookStore: BookStore
  }
}

export type ApiContext = Context<ApiEnv>

/** The caller's books, if their token has the scope; else 403. */
export function booksOf(c: ApiContext, scope: string): Books {
  const caller = c.get('caller')
  requireScope(caller, scope)
  return c.get('bookStore').of(caller.sub)
}

/** A whole number of the query within bounds, or `fallback` if there is none; undefined if it is wrong. */
export function wholeNumber(text: string | undefined, fallback: number, min: number, max: number): number | undefined {
  if (text === undefined) return fallback
  if (!/^\d{1,9}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}
