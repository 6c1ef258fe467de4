/** 1xx in Express: they leave before the answer, and so perhaps before the policy. */
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { anyCaller, expressGuard } from '../../src/resource-server/index.ts'
import { callOf } from './call-express.ts'
import { guardedApi } from './guarded-api.ts'

const { issuer, guard } = await guardedApi()

describe('what goes before an answer (RFC 9110 §15.2)', () => {
  function hinting() {
    const app = express()
    const allow = expressGuard(app, guard())
    const hint = (_req: express.Request, res: express.Response, next: express.NextFunction) => {
      res.writeProcessing()
      // Node 22 has none.
      if ('writeInformation' in res) res.writeInformation(102)
      res.writeEarlyHints({ link: '</secret.css>; rel=preload' }, next)
    }
    app.use('/early', hint)
    app.get('/early', allow(anyCaller()), (_req, res) => void res.send('x'))
    app.get('/late', allow(anyCaller()), hint, (_req, res) => void res.send('x'))
    app.get('/forgotten', hint, (_req, res) => void res.send('x'))
    return app
  }

  it.each<[string, string, boolean, number, number[]]>([
    ['is kept back without a policy', '/forgotten', true, 403, []],
    ['is kept back from who may not', '/early', false, 401, []],
    ['is left out before the policy, and the answer is there', '/early', true, 200, []],
    ['is sent behind the policy', '/late', true, 200, [102, 103]],
  ])('%s', async (_, path, isCaller, status, expected) => {
    const call = await callOf(hinting(), path, isCaller ? await issuer.sign() : undefined)
    const before: number[] = []
    call.on('information', ({ statusCode }) => before.push(statusCode)).end()
    const [response] = await once(call, 'response')
    await text(response)
    expect([response.statusCode, [...new Set(before)]]).toEqual([status, expected])
  })

  it.each<[string, string, boolean, number, string[]]>([
    ['nobody', '/x', false, 401, []],
    ['whom no policy has let in', '/forgotten', true, 403, []],
    ['whom a policy has let in', '/x', true, 200, ['continue']],
    ['whom the policies of two apps have let in', '/inner/x', true, 200, ['continue']],
  ])(
    'asks %s for a body, though the app did so before the policy (§10.1.1)',
    async (_, path, isCaller, status, expected) => {
      const [app, inner] = [express(), express()]
      const policies = [expressGuard(app, guard()), expressGuard(inner, guard())] as const
      app.use((_req, res, next) => {
        res.writeContinue()
        next()
      })
      const echo = async (req: express.Request, res: express.Response) => void res.send(await text(req))
      app.post('/x', policies[0](anyCaller()), echo)
      app.post('/forgotten', (_req, res) => void res.send('x'))
      app.use('/inner', inner.post('/x', policies[1](anyCaller()), echo))

      const headers = { Expect: '100-continue', 'Content-Length': '4' }
      const call = await callOf(app, path, isCaller ? await issuer.sign() : undefined, { method: 'POST', headers })
      const seen: string[] = []
      call.on('continue', () => {
        seen.push('continue')
        call.end('body')
      })
      call.flushHeaders()
      const [response] = await once(call, 'response')
      const body = await text(response)
      call.destroy()
      expect([response.statusCode, seen, status !== 200 || body === 'body']).toEqual([status, expected, true])
    },
  )
})
