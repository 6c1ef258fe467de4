/** Calls of an Express app over HTTP, each to a server that ends with its test. */
import { once } from 'node:events'
import { type ClientRequest, createServer, type IncomingHttpHeaders, type RequestOptions, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Express } from 'express'
import { onTestFinished } from 'vitest'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What a call of this app gets. */
export async function ask(app: Express, path: string, token?: string, method = 'GET'): Promise<Answer> {
  const call = (await callOf(app, path, token, { method })).end()
  const [response] = await once(call, 'response')
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

/** A call that is not sent yet. */
export async function callOf(
  app: Express,
  path: string,
  token: string | undefined,
  options: RequestOptions = {},
): Promise<ClientRequest> {
  // With a listener of its own for it, Node leaves `Expect: 100-continue` to the app.
  const server = createServer(app).on('checkContinue', app).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const headers = { ...options.headers, ...(token !== undefined && { Authorization: `Bearer ${token}` }) }
  return request({ ...options, port, path, headers })
}
