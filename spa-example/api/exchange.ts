/** What the routes share: who calls, and their books. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { GuardedEnv } from '../../src/resource-server/index.ts'
import type { BookStore } from './books.ts'
import type { Books } from './model.ts'
import type { ApiClaims } from './policies.ts'
import type { LogEntry } from './request-log.ts'

export interface ApiEnv {
  Bindings: HttpBindings
  Variables: GuardedEnv<ApiClaims>['Variables'] & {
    bookStore: BookStore
    logEntry: LogEntry
  }
}

export type ApiContext = Context<ApiEnv>

/** The caller's own books. */
export function booksOf(c: ApiContext): Books {
  return c.var.bookStore.of(c.var.access.sub)
}

/** A whole number of the query within bounds, or `fallback` if there is none; undefined if it is wrong. */
export function wholeNumber(text: string | undefined, fallback: number, min: number, max: number): number | undefined {
  if (text === undefined) return fallback
  if (!/^\d{1,9}$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}
