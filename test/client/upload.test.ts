import { describe, expect, it } from 'vitest'
import type { UploadOptions } from '../../src/client/index.ts'
import { fakeBrowser } from './fake-browser.ts'
import { fakeXhr } from './fake-xhr.ts'
import { openPage } from './setup.ts'

async function startUpload(options: UploadOptions = {}, url = '/api/files') {
  const request = fakeXhr()
  const page = await openPage({ browser: { ...fakeBrowser(), createXhr: () => request.xhr } })
  const answer = page.client.upload(url, 'coffee', options)
  // A rejection is looked at later.
  answer.catch(() => {})
  return { page, request, answer }
}

describe('an upload', () => {
  it('carries X-CSRF and what the caller set, tells its progress, and answers as fetch does', async () => {
    const told: unknown[] = []
    const { request, answer } = await startUpload({
      method: 'PUT',
      headers: { 'Content-Type': 'text/plain', 'X-CSRF': 'forged' },
      onProgress: (progress) => told.push(progress),
    })
    request.progress(3, 6)
    request.progress(6, undefined)
    request.answer(201, '{"id":"f1"}', { 'Content-Type': 'application/json', Location: '/api/files/f1' })
    const response = await answer
    expect([response.status, response.ok, response.headers.get('location')]).toEqual([201, true, '/api/files/f1'])
    expect(await response.json()).toEqual({ id: 'f1' })
    expect(told).toEqual([
      { sentBytes: 3, totalBytes: 6 },
      { sentBytes: 6, totalBytes: undefined },
    ])
    const { method, url, headers, body } = request.sent
    expect([method, url, body]).toEqual(['PUT', '/api/files', 'coffee'])
    expect([headers.get('x-csrf'), headers.get('content-type')]).toEqual(['ref-ann', 'text/plain'])
  })

  it('resolves with a refusal too', async () => {
    const { page, request, answer } = await startUpload()
    request.answer(413, 'too large')
    expect((await answer).status).toBe(413)
    expect(page.client.getSession().status).toBe('authenticated')
  })

  it('notices that the session has ended', async () => {
    const { page, request, answer } = await startUpload()
    const document = JSON.stringify({ type: 'urn:coatcheck:problem:login_required', status: 401 })
    request.answer(401, document, { 'Content-Type': 'application/problem+json' })
    expect((await answer).status).toBe(401)
    expect(page.events.at(-1)).toBe('signed-out:login_required')
  })

  it('rejects as fetch does when the network fails', async () => {
    const { request, answer } = await startUpload()
    request.fail()
    await expect(answer).rejects.toThrow(TypeError)
  })

  it('is stopped by its signal, with the signal’s reason', async () => {
    const stopping = new AbortController()
    const { request, answer } = await startUpload({ signal: stopping.signal })
    stopping.abort()
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
    expect(request.isAborted).toBe(true)
  })

  it('is not even begun when it was stopped before', async () => {
    const { request, answer } = await startUpload({ signal: AbortSignal.abort() })
    await expect(answer).rejects.toMatchObject({ name: 'AbortError' })
    expect(request.sent.url).toBe('')
  })

  it.each(['https://elsewhere.example/', '//elsewhere.example/x', 'http://app.example.com/api/files'])(
    'goes to this origin only, not to %s',
    async (url) => {
      const { request, answer } = await startUpload({}, url)
      await expect(answer).rejects.toThrow(TypeError)
      expect(request.sent.url).toBe('')
    },
  )
})
