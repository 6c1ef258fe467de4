/**
 * Serves the built app. Not `@hono/node-server/serve-static`: that makes a file path of the request's, follows
 * links, shows dotfiles, has no entity tags, and leaves `Vary` out of what it did not compress.
 */
import type { Context } from 'hono'
import { candidates, fileHeaders } from '../pages.ts'
import type { HeaderList } from '../runtime.ts'
import { readStaticFiles, type StaticContent, type StaticFile } from './static-files.ts'

export type StaticApp = (c: Context) => Promise<Response | undefined>

/**
 * Reads the folder and gives a handler; undefined from it means that there is nothing under this path.
 * What a path means, and which fields go out with a file, is `pages.ts`'s business.
 */
export async function staticApp(dir: string, pageHeaders: HeaderList): Promise<StaticApp> {
  const files = await readStaticFiles(dir)
  return async (c) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') return undefined
    const name = candidates(c).find((candidate) => files.has(candidate))
    const file = name === undefined ? undefined : files.get(name)
    return file && respond(c, file, pageHeaders)
  }
}

async function respond(c: Context, file: StaticFile, pageHeaders: HeaderList): Promise<Response | undefined> {
  const [coding, content] = choose(file, c.req.header('accept-encoding'))
  const headers = fileHeaders(file, pageHeaders)
  headers.set('etag', content.etag)
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
