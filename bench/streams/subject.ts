/**
 * One process under measurement: raw Node and undici, or Coatcheck. Answers `reset` and `usage` with its CPU time
 * (microseconds) and its memory (bytes), now and at its highest since `reset`.
 */
import { createServer } from 'node:http'
import { Pool } from 'undici'
import { resolveConfig } from '../../src/config/resolve.ts'
import { nodeRuntime } from '../../src/node/runtime.ts'
import { serve } from '../../src/node/serve.ts'
import { cookieStore } from '../../src/session/stores/cookie-store.ts'
import { memoryCoordinator } from '../../src/session/stores/memory-coordinator.ts'
import { tokenHandler } from '../../src/token-handler.ts'

export interface StreamSubject {
  readonly name: 'raw-node' | 'coatcheck'
  readonly port: number
  readonly baseUrl: string
  readonly upstream: string
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly secret: string
}

export interface Usage {
  readonly cpuMicros: number
  readonly rssBytes: number
  readonly peakBytes: number
}

const subject = JSON.parse(process.env.BENCH_SUBJECT ?? '') as StreamSubject

function startRaw(): void {
  const pool = new Pool(subject.upstream, { connections: 10_000, bodyTimeout: 0, headersTimeout: 0 })
  const dropped = new Set(['cookie', 'host', 'connection', 'x-csrf', 'keep-alive', 'transfer-encoding'])
  const authorization = `Bearer ${'t'.repeat(700)}`
  const server = createServer((incoming, outgoing) => {
    const headers: string[] = ['authorization', authorization]
    for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
      const name = (incoming.rawHeaders[index] as string).toLowerCase()
      if (!dropped.has(name)) headers.push(name, incoming.rawHeaders[index + 1] as string)
    }
    const path = (incoming.url ?? '').replace('/api/', '/v1/')
    const method = incoming.method as 'GET' | 'POST'
    const body = method === 'POST' ? incoming : null
    pool
      .stream({ path, method, headers, body, opaque: outgoing }, ({ statusCode, headers: answer }) => {
        outgoing.writeHead(statusCode, answer as Record<string, string>)
        outgoing.flushHeaders()
        return outgoing
      })
      .catch((error: Error) => outgoing.destroy(error))
  })
  server.listen(subject.port, '127.0.0.1')
}

async function startCoatcheck(): Promise<void> {
  const config = resolveConfig(
    {
      baseUrl: subject.baseUrl,
      provider: { issuer: subject.issuer, clientId: subject.clientId, clientSecret: subject.clientSecret },
      session: { secrets: [subject.secret], store: cookieStore({ coordinator: memoryCoordinator() }) },
      // One session has them all.
      streams: { perSession: 50_000, total: 50_000 },
      routes: [
        {
          path: '/api/*',
          upstream: `${subject.upstream}/v1`,
          auth: 'session',
          methods: ['GET', 'POST'],
          bodyLimitBytes: 4 * 2 ** 30,
        },
      ],
    },
    {},
  )
  const runtime = nodeRuntime()
  const handler = tokenHandler(config, { runtime, report: (event) => console.error(event) })
  await serve(handler.routes, { port: subject.port, host: '127.0.0.1', runtime })
}

if (subject.name === 'raw-node') startRaw()
else await startCoatcheck()

let peakBytes = 0
setInterval(() => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
}, 20).unref()

process.on('message', (message) => {
  global.gc?.()
  const { user, system } = process.cpuUsage()
  const rssBytes = process.memoryUsage.rss()
  if (message === 'reset') peakBytes = rssBytes
  process.send?.({ cpuMicros: user + system, rssBytes, peakBytes: Math.max(peakBytes, rssBytes) } satisfies Usage)
})
process.send?.('ready')
