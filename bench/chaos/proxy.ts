/** An address that stands while what is behind it changes: what a failover moves. */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Socket } from 'node:net'

export interface Proxy {
  readonly port: number
  /** From now on this port of this machine. Connections to the one before are reset. */
  pointTo(port: number): void
  stop(): Promise<void>
}

export async function startProxy(firstTarget: number): Promise<Proxy> {
  let target = firstTarget
  const sockets = new Set<Socket>()
  const server = createServer((incoming) => {
    const outgoing = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(one)
      one.pipe(other)
      // Either side's end is the other's; what it was is of no matter here.
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    pointTo(port) {
      target = port
      reset()
    },
    async stop() {
      server.close()
      reset()
      await once(server, 'close')
    },
  }
}
