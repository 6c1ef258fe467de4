/** What a path of the app's own pages means, and how long a file may be kept: the same on Node and on Workers. */
import type { Context } from 'hono'
import { getMimeType } from 'hono/utils/mime'
import type { HeaderList } from './runtime.ts'
import { targetOf } from './web-runtime.ts'

/** What a file's path tells of it. */
export interface PageFile {
  readonly contentType: string
  readonly isDocument: boolean
  readonly isImmutable: boolean
}

/** @param name path as in a URL, decoded: `/assets/app.js` */
export function describeFile(name: string): PageFile {
  const contentType = getMimeType(name) ?? 'application/octet-stream'
  return {
    contentType,
    isDocument: /^(?:text\/html|application\/xhtml\+xml)/.test(contentType),
    isImmutable: isHashed(name),
  }
}

/**
 * Names of the files that a request may be answered with, the better one first, decoded.
 *
 * A path without a file gets `index.html` when it looks like one of the app's own: `Accept` names `text/html`, and
 * the last segment has no ending that we know as a file's. So a missing script or image is 404 and
 * `/users/john.doe` is the app's.
 */
export function candidates(c: Context): string[] {
  const name = decodedPath(c)
  if (name === undefined) return []
  const file = name.endsWith('/') ? `${name}index.html` : name
  const isNavigation = c.req.header('accept')?.includes('text/html') === true && getMimeType(name) === undefined
  const names = isNavigation && file !== '/index.html' ? [file, '/index.html'] : [file]
  return names.filter((candidate) => !isHidden(candidate))
}

/**
 * The fields that go out with a file; entity tag and length are the caller's. `pageHeaders` (Content Security Policy
 * and the like) go with every file, those with a hash in their name aside: they are cached for a year, and would
 * bring back a policy that has changed since.
 */
export function fileHeaders(file: PageFile, pageHeaders: HeaderList): Headers {
  const headers = new Headers(file.isImmutable ? [] : (pageHeaders as [string, string][]))
  headers.set('content-type', file.contentType)
  headers.set('cache-control', cacheControl(file))
  headers.set('x-content-type-options', 'nosniff')
  headers.set('cross-origin-resource-policy', 'same-origin')
  return headers
}

/** Undefined when a segment is not UTF-8, or hides a separator. */
function decodedPath(c: Context): string | undefined {
  const path = targetOf(c.req.url).replace(/\?.*$/s, '')
  try {
    const segments = path.split('/').map(decodeURIComponent)
    return segments.some((segment) => /[/\\\0]/.test(segment)) ? undefined : segments.join('/')
  } catch {
    return undefined
  }
}

/** What begins with a dot is not published (`.env`, `.git`). */
function isHidden(name: string): boolean {
  return name.includes('/.')
}

/** Documents are asked for again each time: they name the assets of the newest build. */
function cacheControl(file: PageFile): string {
  if (file.isImmutable) return 'public, max-age=31536000, immutable'
  return file.isDocument ? 'no-cache' : 'public, max-age=300'
}

/**
 * `/assets/name-HASH.js`, as Vite and Rollup write it (eight characters of base64url), or a longer hexadecimal
 * one. Eight letters may be a word (`logo-original.png`), so a digit or two capitals are asked for: a hash that
 * has neither is cached for a short time only.
 */
const longestEnding = 96

function isHashed(name: string): boolean {
  if (!name.startsWith('/assets/')) return false
  const file = name.slice(name.lastIndexOf('/') + 1).slice(-longestEnding)
  const hash = /[-.](?:([\w-]{8})|[0-9a-f]{16,})(?:\.[a-z0-9]+)+$/.exec(file)
  if (hash === null) return false
  return hash[1] === undefined || /\d|[A-Z].*[A-Z]/.test(hash[1])
}
