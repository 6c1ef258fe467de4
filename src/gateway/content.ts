/** What an answer's content is to a browser that opens it as a page. */
import { isToken } from './fields.ts'
import { remembered } from './remembered.ts'

/** The type of an answer's content, as its field says it, and what a browser would do with it. */
export interface Content {
  readonly type: string
  /** Whether a browser shows it without running or rendering markup. What is not known is not. */
  readonly isInert: boolean
}

/**
 * What the one media type that the fields name means. Null if there is none, if there are several (in one field or more:
 * readers differ on which counts), or if it is malformed.
 */
export function contentOf(types: readonly string[]): Content | null {
  const [type] = types
  return type === undefined || types.length > 1 ? null : readType(type)
}

const readType = remembered((type): Content | null => {
  // Outside quotes: Fetch reads `text/plain;<,text/html;x=>` as two types, and takes the last.
  if (type.includes(',') && hasCommaOutsideQuotes(type)) return null
  const essence = essenceOf(type)
  const slash = essence.indexOf('/')
  const isType = isToken(essence.slice(0, Math.max(slash, 0))) && isToken(essence.slice(slash + 1))
  return isType ? { type, isInert: isInert(essence) } : null
})

/** One pass: an expression would begin anew at every quote that is never closed. Of an open one nobody knows where it ends. */
function hasCommaOutsideQuotes(text: string): boolean {
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') isQuoted = !isQuoted
    else if (isQuoted && character === '\\') at++
    else if (!isQuoted && character === ',') return true
  }
  return isQuoted
}

function isInert(essence: string): boolean {
  if (inertTypes.has(essence)) return true
  if (essence.endsWith('+json')) return true
  if (essence.endsWith('+xml') || essence.endsWith('/xml')) return false
  return essence.startsWith('image/') || essence.startsWith('audio/') || essence.startsWith('video/')
}

/**
 * A `Content-Disposition` that is surely `attachment`, with the upstream's parameters (such as `filename`) where it
 * sent one field that browsers read as it is meant.
 */
export function attachmentOf(dispositions: readonly string[]): string {
  const [disposition] = dispositions
  if (disposition === undefined || dispositions.length > 1) return 'attachment'
  const semicolon = disposition.indexOf(';')
  if (semicolon < 0 || !isToken(disposition.slice(0, semicolon).trim())) return 'attachment'
  return `attachment${disposition.slice(semicolon)}`
}

function essenceOf(type: string): string {
  const semicolon = type.indexOf(';')
  return (semicolon < 0 ? type : type.slice(0, semicolon)).trim().toLowerCase()
}

const inertTypes: ReadonlySet<string> = new Set([
  'application/json',
  'application/jsonl',
  'application/octet-stream',
  'application/x-ndjson',
  'text/csv',
  'text/event-stream',
  'text/plain',
])
