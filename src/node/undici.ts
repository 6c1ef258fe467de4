/**
 * Connections, of all that undici has. As a whole it brings fetch, WebSocket, caches and mocks too, and with them a third
 * of the time that a process takes until its first answer.
 */
import type { buildConnector as BuildConnector, Dispatcher, Client as UndiciClient, Pool as UndiciPool } from 'undici'
// @ts-expect-error its types are those of the whole
import ask from 'undici/lib/api/api-request.js'
// @ts-expect-error
import connect from 'undici/lib/core/connect.js'
// @ts-expect-error
import client from 'undici/lib/dispatcher/client.js'
// @ts-expect-error
import pool from 'undici/lib/dispatcher/pool.js'

export type Client = UndiciClient
export type Connector = BuildConnector.connector
export type Pool = UndiciPool

export const buildConnector: typeof BuildConnector = connect
export const Client: typeof UndiciClient = client
export const Pool: typeof UndiciPool = pool

export function request(client: Client, options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData> {
  return ask.call(client, options)
}
