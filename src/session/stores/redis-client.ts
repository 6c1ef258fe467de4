/**
 * The connections to Redis: that of the operator, for reads and leases, and one of our own for what a replica is waited
 * for. `WAIT` speaks of the writes of its own connection and holds up everything behind it there, so those writes have
 * one to themselves.
 *
 * The package `redis` has three kinds of client, which differ in how a command finds its connection.
 */

/** What we need of a client: those of the package `redis` (single, cluster, sentinel) have it. */
export interface RedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  close?(): Promise<unknown> | undefined
}

/** Another client with the same options; absent from a client of some other kind, which then waits for no replica. */
interface Duplicable extends RedisClient {
  duplicate(): WritingClient
}

interface WritingClient extends RedisClient {
  on(event: 'error', listener: () => void): unknown
  connect(): Promise<unknown>
  destroy(): void
  sendCommand(...parameters: unknown[]): Promise<unknown>
  /** Sentinel: a connection to the master for as long as `work` takes. */
  use?<Value>(work: (master: WritingClient) => Promise<Value>): Promise<Value>
  /** Cluster: a client for each node. */
  masters?: unknown
}

export interface RedisConnections {
  /** One script on one key. */
  run(script: string, key: string, parameters: string[]): Promise<unknown>
  /** The same, of a script that gives its result and how many replicas there are; with any, one of them has it too. */
  runDurably(script: string, key: string, parameters: string[]): Promise<unknown>
  close(): Promise<void>
}

export function redisConnections(client: RedisClient, replicaTimeoutMs: number): RedisConnections {
  let writing: Promise<WritingClient> | undefined

  const run = (script: string, key: string, parameters: string[], on: RedisClient = client) =>
    on.eval(script, { keys: [key], arguments: parameters })

  function writer(): Promise<WritingClient> {
    writing ??= connect(client as Duplicable).catch((error) => {
      writing = undefined
      throw error
    })
    return writing
  }

  return {
    run,
    async runDurably(script, key, parameters) {
      if (!('duplicate' in client)) return resultOf(await run(script, key, parameters))
      const own = await writer()
      const wait = ['WAIT', '1', String(replicaTimeoutMs)]
      const write = async (on: WritingClient, send: () => Promise<unknown>) => {
        const reply = await run(script, key, parameters, on)
        // Best effort, as all of Redis's replication: a replica that lags longer holds nobody up.
        if (replicasOf(reply) > 0) await send()
        return resultOf(reply)
      }
      if (own.use !== undefined) return own.use((master) => write(master, () => master.sendCommand(false, wait)))
      if (own.masters !== undefined) return write(own, () => own.sendCommand(key, false, wait))
      return write(own, () => own.sendCommand(wait))
    },
    async close() {
      const own = await writing?.catch(() => undefined)
      own?.destroy()
      await client.close?.()
    },
  }
}

async function connect(client: Duplicable): Promise<WritingClient> {
  const own = client.duplicate()
  // What it could not do is told to whoever asked for it.
  own.on('error', () => undefined)
  await own.connect()
  return own
}

function resultOf(reply: unknown): unknown {
  return (reply as [unknown, number])[0]
}

function replicasOf(reply: unknown): number {
  return Number((reply as [unknown, number])[1])
}
