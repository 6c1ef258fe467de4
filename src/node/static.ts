/**
 * Serves the built app. Not `@hono/node-server/serve-static`: that makes a file path of the request's, follows
 * links, shows dotfiles, has no entity tags, and leaves `Vary` out of what it did not compress.
 */
import type { Context } from 'hono'
import { getMimeType } from 'hono/utils/mime'
import type { HeaderList } from '../runtime.ts'
import { targetOf } from '../web-runtime.ts'
import { readStaticFiles, type StaticContent, type StaticFile } from './static-files.ts'

export type StaticApp = (c: Context) => Promise<Response | undefined>

/**
 * Reads the folder and gives a handler; undefined from it means that there is nothing under this path.
 *
 * `pageHeaders` (Content Security Policy and the like) go out with every file, those with a hash in their name
 * aside: they are cached for a year, and would bring back a policy that has changed since.
 *
 * A path without a file gets `index.html` when it looks like one of the app's own: GET or HEAD, `Accept` names
 * `text/html`, and the last segment has no ending that we know as a file's. So a missing script or image is 404
 * and `/users/john.doe` is the app's.
 */
export async function staticApp(dir: string, pageHeaders: HeaderList): Promise<StaticApp> {
  const files = await readStaticFiles(dir)
  return async (c) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return undefined
    const name = decodedPath(c)
    const file = name === undefined ? undefined : find(files, name, c)
    return file && respond(c, file, pageHeaders)
  }
}

function find(files: ReadonlyMap<string, StaticFile>, name: string, c: Context): StaticFile | undefined {
  const exact = files.get(name.endsWith('/') ? `${name}index.html` : name)
  if (exact !== undefined) return exact
  const isNavigation = c.req.header('accept')?.includes('text/html') === true && getMimeType(name) === undefined
  return isNavigation ? files.get('/index.html') : undefined
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

async function respond(c: Context, file: StaticFile, pageHeaders: HeaderList): Promise<Response | undefined> {
  const [coding, content] = choose(file, c.req.header('accept-encoding'))
  const headers = new Headers(file.isImmutable ? [] : (pageHeaders as [string, string][]))
  headers.set('content-type', file.contentType)
  headers.set('cache-control', cacheControl(file))
  headers.set('etag', content.etag)
  headers.set('x-content-type-options', 'nosniff')
  headers.set('cross-origin-resource-policy', 'same-origin')
  if (coding !== undefined) headers.set('content-encoding', coding)
  if (file.encoded.size > 0) headers.append('vary', 'Accept-Encoding')
  if (matches(c.req.header('if-none-match'), content.etag)) {
    headers.delete('content-type')
    headers.delete('content-encoding')
    return new Response(null, { status: 304, headers })
  }
  headers.set('content-length', String(content.size))
  if (c.req.method === 'HEAD') return new Response(null, { headers })
  const body = await content.body()
  return body && new Response(body, { headers })
}

/** Documents are asked for again each time: they name the assets of the newest build. */
function cacheControl(file: StaticFile): string {
  if (file.isImmutable) return 'public, max-age=31536000, immutable'
  return file.isDocument ? 'no-cache' : 'public, max-age=300'
}

function choose(file: StaticFile, accepted: string | undefined): [coding: string | undefined, StaticContent] {
  if (accepted !== undefined && file.encoded.size > 0) {
    const wanted = acceptedCodings(accepted)
    for (const [coding, content] of file.encoded) if (wanted.has(coding)) return [coding, content]
  }
  return [undefined, file.plain]
}

/** RFC 9110 §12.5.3: what is named, but for `q=0`. `*` is taken as no wish. */
function acceptedCodings(accepted: string): Set<string> {
  const codings = new Set<string>()
  for (const item of accepted.toLowerCase().split(',')) {
    const [coding, ...parameters] = item.split(';').map((part) => part.trim())
    const isRefused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))
    if (coding !== undefined && !isRefused) codings.add(coding)
  }
  return codings
}

/** RFC 9110 §13.1.2: the weak comparison. */
function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  return ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
}
