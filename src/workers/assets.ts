/** The app's pages from a static assets binding, with the same rules as from a folder on Node. */
import type { Context } from 'hono'
import type { FetchBinding } from '../config/user-routes.ts'
import { CoatcheckError } from '../errors.ts'
import { candidates, describeFile, fileHeaders, type PageFile } from '../pages.ts'
import type { HeaderList } from '../runtime.ts'

/** Gives a handler; undefined from it means that there is nothing under this path. */
export function assetPages(
  assets: FetchBinding,
  pageHeaders: HeaderList,
): (c: Context) => Promise<Response | undefined> {
  return async (c) => {
    for (const name of candidates(c)) {
      const file = describeFile(name)
      const answer = await assets.fetch(assetRequest(c, name))
      if (isThere(file, answer)) return respond(c, file, answer, pageHeaders)
      await answer.body?.cancel()
    }
    return undefined
  }
}

/** Redirects are followed, within the binding: by `html_handling` it may have `/` for `/index.html`. */
function assetRequest(c: Context, name: string): Request {
  const headers = new Headers()
  const ifNoneMatch = c.req.header('if-none-match')
  if (ifNoneMatch !== undefined) headers.set('if-none-match', ifNoneMatch)
  const path = name.split('/').map(encodeURIComponent).join('/')
  return new Request(new URL(path, c.req.url), { method: c.req.method, headers })
}

function isThere(file: PageFile, answer: Response): boolean {
  if (answer.status === 404) return false
  if (answer.status !== 200 && answer.status !== 304) {
    throw new CoatcheckError('internal_error', { cause: new Error(`the assets binding answered ${answer.status}`) })
  }
  // With `not_found_handling: "single-page-application"` a page comes for a script that is not there. Kept under the
  // script's name for a year, it would outlive the next deployment.
  return file.isDocument || answer.headers.get('content-type')?.startsWith('text/html') !== true
}

function respond(c: Context, file: PageFile, answer: Response, pageHeaders: HeaderList): Response {
  const headers = fileHeaders(file, pageHeaders)
  for (const name of ['etag', 'content-length', 'content-encoding', 'vary']) {
    const value = answer.headers.get(name)
    if (value !== null) headers.set(name, value)
  }
  if (answer.status === 304) headers.delete('content-type')
  const body = answer.status === 304 || c.req.method === 'HEAD' ? null : answer.body
  return new Response(body, { status: answer.status, headers })
}
