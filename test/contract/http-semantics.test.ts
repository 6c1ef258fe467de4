/** Ranges, conditions and answers without content go through as they are (RFC 9110 §13 to §15). */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UserAgent } from '../support/browser.ts'
import { type System, startSystem } from '../support/system.ts'

const file = Buffer.from('0123456789abcdef')
const etag = `"${createHash('sha256').update(file).digest('hex').slice(0, 8)}"`
const lastModified = 'Tue, 24 Nov 2026 10:00:00 GMT'

/** A file server, as small as it can be. */
function serveFile(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch, 'if-match': ifMatch } = incoming.headers
  outgoing.setHeader('etag', etag)
  outgoing.setHeader('last-modified', lastModified)
  outgoing.setHeader('accept-ranges', 'bytes')
  outgoing.setHeader('content-type', 'application/octet-stream')
  if (ifMatch !== undefined && ifMatch !== etag) return void outgoing.writeHead(412).end()
  if (ifNoneMatch === etag) return void outgoing.writeHead(304).end()
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) {
    outgoing.setHeader('content-length', file.byteLength)
    return void outgoing.end(incoming.method === 'HEAD' ? undefined : file)
  }
  const ranges = [...range.matchAll(/(\d+)-(\d+)/g)].map(([, from, to]) => [Number(from), Number(to)] as const)
  const [first] = ranges
  if (first === undefined || first[0] >= file.byteLength) {
    return void outgoing.writeHead(416, { 'content-range': `bytes */${file.byteLength}`, 'content-length': 0 }).end()
  }
  if (ranges.length === 1) {
    const part = file.subarray(first[0], first[1] + 1)
    const contentRange = `bytes ${first[0]}-${first[1]}/${file.byteLength}`
    outgoing.writeHead(206, { 'content-range': contentRange, 'content-length': part.byteLength })
    return void outgoing.end(part)
  }
  outgoing.writeHead(206, { 'content-type': 'multipart/byteranges; boundary=cut' })
  for (const [from, to] of ranges) {
    outgoing.write(`--cut\r\nContent-Range: bytes ${from}-${to}/${file.byteLength}\r\n\r\n`)
    outgoing.write(`${file.subarray(from, to + 1)}\r\n`)
  }
  return void outgoing.end('--cut--\r\n')
}

let system: System
let browser: UserAgent
beforeAll(async () => {
  system = await startSystem({
    routes: [
      { path: '/api/*', upstream: '/v1', auth: 'session', methods: ['GET', 'HEAD', 'PUT', 'POST'] },
      { path: '/kept/*', upstream: '/kept', auth: 'session', cache: 'private' },
    ],
    accessTokenSeconds: 120,
  })
  browser = await system.signedIn()
})
afterAll(() => system.stop())
beforeEach(() => {
  system.upstream.reset()
  for (const path of ['/v1/file', '/kept/file']) system.upstream.on(path, serveFile)
})

const get = (headers: Record<string, string> = {}, path = '/api/file') => system.call(browser, path, { headers })

describe('a range', () => {
  it('of a file is 206 with just that', async () => {
    const answer = await get({ Range: 'bytes=4-7' })
    expect(answer.status).toBe(206)
    expect(answer.headers.get('content-range')).toBe('bytes 4-7/16')
    expect(answer.headers.get('content-length')).toBe('4')
    expect(answer.headers.get('accept-ranges')).toBe('bytes')
    expect(await answer.text()).toBe('4567')
  })

  it('outside of it is 416, with what there is', async () => {
    const answer = await get({ Range: 'bytes=90-99' })
    expect(answer.status).toBe(416)
    expect(answer.headers.get('content-range')).toBe('bytes */16')
  })

  it('of several parts is one body of parts', async () => {
    const answer = await get({ Range: 'bytes=0-1,4-5' })
    expect(answer.status).toBe(206)
    expect(answer.headers.get('content-type')).toBe('multipart/byteranges; boundary=cut')
    expect(await answer.text()).toContain('Content-Range: bytes 4-5/16\r\n\r\n45\r\n--cut--')
  })

  it('of another version of it, by If-Range, is all of it', async () => {
    expect((await get({ Range: 'bytes=0-1', 'If-Range': etag })).status).toBe(206)
    const answer = await get({ Range: 'bytes=0-1', 'If-Range': '"old"' })
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe(file.toString())
  })
})

describe('a condition', () => {
  it('that the version is still known is 304, with its validators and no body', async () => {
    const answer = await get({ 'If-None-Match': etag })
    expect(answer.status).toBe(304)
    expect(answer.headers.get('etag')).toBe(etag)
    expect(answer.headers.get('last-modified')).toBe(lastModified)
    expect(await answer.text()).toBe('')
  })

  it('on what is written is the upstream’s to hold', async () => {
    const put = (version: string) =>
      system.call(browser, '/api/file', { method: 'PUT', body: 'x', headers: { 'If-Match': version } })
    expect((await put('"old"')).status).toBe(412)
    expect((await put(etag)).status).toBe(200)
  })

  it('met, on an answer that renews the session, brings the cookie and keeps no cache', async () => {
    expect((await get({ 'If-None-Match': etag }, '/kept/file')).headers.get('cache-control')).not.toContain('no-store')
    await system.advance(3 * 60_000)
    const answer = await get({ 'If-None-Match': etag }, '/kept/file')
    expect(answer.status).toBe(304)
    // A ticket stays the same when the session is renewed.
    const isRenewed = system.cookie !== 'ticket'
    expect(answer.headers.getSetCookie().join().includes('__Host-Http-coatcheck=')).toBe(isRenewed)
    expect(answer.headers.get('cache-control') === 'private, no-store').toBe(isRenewed)
  })
})

describe('an answer without content', () => {
  it('to HEAD has the head of GET', async () => {
    const answer = await system.call(browser, '/api/file', { method: 'HEAD' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-length')).toBe('16')
    expect(answer.headers.get('etag')).toBe(etag)
    expect(await answer.text()).toBe('')
  })

  it.each([204, 205])('with %s leaves the connection to the next', async (status) => {
    system.upstream.on('/v1/none', (incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(status, status === 205 ? { 'content-length': 0 } : {}).end()
    })
    const answer = await system.call(browser, '/api/none', { method: 'POST', body: 'x' })
    expect(answer.status).toBe(status)
    expect(await answer.text()).toBe('')
    expect((await get()).status).toBe(200)
  })
})
