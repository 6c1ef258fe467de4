import { request } from 'node:http'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hostileTargets } from '../gateway/hostile-targets.ts'
import { freePort } from '../support/free-port.ts'
import { startHandler } from '../support/handler-on-node.ts'
import { type RunningHandler, testSecret } from '../support/system.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { anyTarget } from './targets.ts'

let upstream: TestUpstream
let handler: RunningHandler
let port: number

beforeAll(async () => {
  port = await freePort()
  upstream = await startUpstream()
  handler = await startHandler(
    {
      baseUrl: `http://localhost:${port}`,
      // Never asked: the route is open.
      provider: { issuer: 'http://127.0.0.1:9', clientId: 'x', clientSecret: 'a-secret-of-nobody' },
      session: { secrets: [testSecret] },
      routes: [{ path: '/api/*', upstream: `${upstream.origin}/base`, auth: 'none', reason: 'a test' }],
      thirdPartyInitiatedLogin: false,
      backChannelLogout: false,
      rateLimits: [],
      cookie: 'session',
      listeners: { internal: 0 },
    },
    port,
  )
})
afterAll(async () => {
  await handler.stop()
  await upstream.stop()
})
beforeEach(() => upstream.reset())

describe('over real HTTP', () => {
  it('what reaches the upstream is byte for byte what came, below its base', async () => {
    let count = 0
    const sendable = anyTarget.filter((raw) => /^\/[\x21-\x7e]*$/.test(raw))
    await fc.assert(
      fc.asyncProperty(sendable, async (raw) => {
        upstream.requests.length = 0
        const status = await get(raw)
        if (upstream.requests.length === 0) {
          expect([400, 404]).toContain(status)
          return
        }
        count++
        expect(status).toBe(200)
        expect(upstream.requests.map(({ target }) => target)).toEqual([raw.replace(/^\/api\//, '/base/')])
      }),
      { numRuns: 600 },
    )
    expect(count).toBeGreaterThan(60)
  })

  it('nothing of the hostile table reaches it', async () => {
    for (const target of hostileTargets) {
      // Node's own parser refuses some; either way it is an error of the client.
      const status = await statusOfRaw(target)
      expect(status, JSON.stringify(target)).toMatch(/^(400|404|421|505)$/)
    }
    expect(upstream.requests.map(({ target }) => target)).toEqual([])
  })
})

function get(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: 'localhost', port, path }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode))
    })
      .on('error', reject)
      .end()
  })
}

/** By a socket: an HTTP client would refuse to send these. */
function statusOfRaw(target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, 'localhost', () => {
      socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\n\r\n`)
    })
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text.slice(9, 12)))
  })
}
