/**
 * The connections to Redis: that of the operator, for reads and leases, and one of our own for what a replica is waited
 * for. `WAIT` holds up everything behind it on its connection, so those writes have one to themselves.
 *
 * The package `redis` has three kinds of client, which differ in how a command finds its connection.
 */
import type { Clock } from '../../runtime.ts'
import { replicaWaits } from './redis-replicas.ts'

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
  /** Sentinel: one of its connections to the master, which it takes to the next master too. */
  acquire?(): Promise<Pick<WritingClient, 'eval' | 'sendCommand'>>
  /** Cluster: a client for each node. */
  masters?: unknown
}

/** What is written with: it keeps the order of what concerns one key. */
interface Writer {
  eval: RedisClient['eval']
  /** Of the connection that writes this key. */
  sendWait(key: string): Promise<unknown>
  destroy(): void
}

export interface RedisConnections {
  /** Not a cluster: what one command meets, the next one meets too. */
  readonly isOneServer: boolean
  /** One script on one key. */
  run(script: string, key: string, parameters: string[]): Promise<unknown>
  /** The same, after every durable one that was begun before: what those do late, this finds. */
  runInOrder(script: string, key: string, parameters: string[]): Promise<unknown>
  /** The same, of a script that is durable: with any replica, one of them has it too. */
  runDurably(script: string, key: string, parameters: string[]): Promise<unknown>
  close(): Promise<void>
}

export interface RedisConnectionsOptions {
  /** The longest that one write waits for a replica. Milliseconds. */
  replicaTimeoutMs: number
  clock: Clock
}

export function redisConnections(
  client: RedisClient,
  { replicaTimeoutMs, clock }: RedisConnectionsOptions,
): RedisConnections {
  const waitForReplica = replicaWaits(clock)
  let writing: Promise<Writer> | undefined

  const run = (script: string, key: string, parameters: string[], on: Pick<RedisClient, 'eval'> = client) =>
    on.eval(script, { keys: [key], arguments: parameters })

  function writer(): Promise<Writer> {
    writing ??= connect(client as Duplicable, replicaTimeoutMs).catch((error) => {
      writing = undefined
      throw error
    })
    return writing
  }

  return {
    isOneServer: (client as Partial<WritingClient>).masters === undefined,
    run,
    async runInOrder(script, key, parameters) {
      return run(script, key, parameters, 'duplicate' in client ? await writer() : client)
    },
    async runDurably(script, key, parameters) {
      if (!('duplicate' in client)) return toDurable(await run(script, key, parameters)).result
      const own = await writer()
      const { result, replicas, master } = toDurable(await run(script, key, parameters, own))
      // Best effort, as all of Redis's replication: one that does not answer in time has it later, or never.
      if (replicas > 0) await waitForReplica(master, () => own.sendWait(key))
      return result
    },
    async close() {
      const own = await writing?.catch(() => undefined)
      own?.destroy()
      await client.close?.()
    },
  }
}

async function connect(client: Duplicable, replicaTimeoutMs: number): Promise<Writer> {
  const own = client.duplicate()
  // What it could not do is told to whoever asked for it.
  own.on('error', () => undefined)
  try {
    return await writerOf(own, replicaTimeoutMs)
  } catch (error) {
    own.destroy()
    throw error
  }
}

async function writerOf(own: ReturnType<Duplicable['duplicate']>, replicaTimeoutMs: number): Promise<Writer> {
  await own.connect()
  const wait = ['WAIT', '1', String(replicaTimeoutMs)]
  const destroy = () => own.destroy()
  if (own.acquire !== undefined) {
    // One connection for good: `WAIT` knows the writes of its own connection only.
    const master = await own.acquire()
    return { eval: master.eval.bind(master), sendWait: () => master.sendCommand(false, wait), destroy }
  }
  const sendWait = (key: string) =>
    own.masters === undefined ? own.sendCommand(wait) : own.sendCommand(key, false, wait)
  return { eval: own.eval.bind(own), sendWait, destroy }
}

/** What a durable script gives. */
function toDurable(reply: unknown): { result: unknown; replicas: number; master: string } {
  const [result, replicas, master] = reply as [unknown, number, string]
  return { result, replicas: Number(replicas), master: String(master) }
}
