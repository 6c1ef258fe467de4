/**
 * `/files`: uploads, kept in memory, given back as they came. The content type is the uploader's word, also
 * where that is HTML or SVG: what stands in front of such an API has to cope with it.
 */
import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import { allow, guardedObject, ownerOf, requireScopes } from '../../src/resource-server/index.ts'
import { readRange } from './byte-range.ts'
import type { ApiContext, ApiEnv } from './exchange.ts'
import { newId } from './model.ts'
import { ApiError, invalid } from './problem.ts'

interface StoredFile {
  readonly id: string
  readonly owner: string
  readonly name: string
  readonly type: string
  readonly size: number
  readonly sha256: string
  readonly uploadedAt: string
  readonly content: Uint8Array<ArrayBuffer>
}

const mostFiles = 1000

/** @param limitBytes of all files together, those that are being uploaded included. */
export function fileRoutes(limitBytes: number): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  const files = new Map<string, StoredFile>()
  const room = { left: limitBytes }

  const mayRead = allow(requireScopes('files:read'))
  const mayWrite = allow(requireScopes('files:write'))
  const fileFor = guardedObject((id: string) => files.get(id), ownerOf<StoredFile>('owner'))

  routes.get('/', mayRead, (c) => {
    const own = [...files.values()].filter((file) => file.owner === c.var.access.sub)
    return c.json({ items: own.reverse().map(describe) })
  })

  routes.post('/', mayWrite, async (c) => {
    if (files.size >= mostFiles) throw new ApiError(409, 'too_many', 'There is no room for more files')
    const name = readName(c)
    const { content, sha256 } = await receive(c, room)
    const file: StoredFile = {
      id: newId('file'),
      owner: c.var.access.sub,
      name,
      type: c.req.header('content-type') ?? 'application/octet-stream',
      size: content.byteLength,
      sha256,
      uploadedAt: new Date().toISOString(),
      content,
    }
    files.set(file.id, file)
    return c.json(describe(file), 201, { Location: `${new URL(c.req.url).pathname.replace(/\/$/, '')}/${file.id}` })
  })

  routes.get('/:id', mayRead, async (c) => download(c, await fileFor(c.var.access, c.req.param('id'))))

  routes.delete('/:id', mayWrite, async (c) => {
    const file = await fileFor(c.var.access, c.req.param('id'))
    files.delete(file.id)
    room.left += file.size
    return c.body(null, 204)
  })

  return routes
}

/** Takes the body in as it comes; gives the room back if it is too large or breaks off. */
async function receive(c: ApiContext, room: { left: number }) {
  const hash = createHash('sha256')
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of c.req.raw.body ?? []) {
      if (chunk.byteLength > room.left) throw new ApiError(413, 'too_large', 'There is no room for a file of this size')
      room.left -= chunk.byteLength
      size += chunk.byteLength
      hash.update(chunk)
      chunks.push(chunk)
    }
  } catch (error) {
    room.left += size
    throw error
  }
  const content = new Uint8Array(size)
  let offset = 0
  for (const chunk of chunks) {
    content.set(chunk, offset)
    offset += chunk.byteLength
  }
  return { content, sha256: hash.digest('hex') }
}

function download(c: ApiContext, file: StoredFile): Response {
  const etag = `"${file.sha256.slice(0, 32)}"`
  const disposition = c.req.query('inline') === '1' ? 'inline' : 'attachment'
  const headers = {
    'Accept-Ranges': 'bytes',
    'Content-Disposition': `${disposition}; filename*=UTF-8''${encodeRfc8187(file.name)}`,
    'Content-Type': file.type,
    ETag: etag,
    'Last-Modified': new Date(file.uploadedAt).toUTCString(),
  }
  if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers)

  const ifRange = c.req.header('if-range')
  const range = readRange(ifRange === undefined || ifRange === etag ? c.req.header('range') : undefined, file.size)
  if (range.kind === 'unsatisfiable') {
    throw new ApiError(416, 'range_not_satisfiable', 'The file has no such range', {
      headers: { 'Content-Range': `bytes */${file.size}` },
    })
  }
  if (range.kind === 'whole') return c.body(file.content, 200, { ...headers, 'Content-Length': String(file.size) })
  return c.body(file.content.slice(range.start, range.end + 1), 206, {
    ...headers,
    'Content-Length': String(range.end - range.start + 1),
    'Content-Range': `bytes ${range.start}-${range.end}/${file.size}`,
  })
}

/** `?filename=`, else the name in `Content-Disposition`. */
function readName(c: ApiContext): string {
  const disposition = /filename="([^"]*)"|filename=([^;\s]+)/i.exec(c.req.header('content-disposition') ?? '')
  const name = (c.req.query('filename') ?? disposition?.[1] ?? disposition?.[2] ?? '').trim()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  const isUsable = name !== '' && name.length <= 200 && !/[\x00-\x1f\x7f/\\]/.test(name) && name.isWellFormed()
  if (!isUsable) {
    throw invalid([{ field: 'filename', message: 'A name of 1 to 200 characters, without a path' }])
  }
  return name
}

function describe({ content: _content, owner: _owner, ...file }: StoredFile) {
  return file
}

function encodeRfc8187(text: string): string {
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
