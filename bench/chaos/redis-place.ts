/** A Redis as one runs it: with an append-only file, a replica, and an address that a failover moves. */
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import { startRedis } from '../../test/support/redis.ts'
import { startProxy } from './proxy.ts'

export interface RedisPlace {
  readonly url: string
  kill(): Promise<void>
  terminate(): Promise<void>
  start(): Promise<void>
  freeze(): void
  thaw(): void
  /** Kills it, promotes the replica, and moves the address. */
  failOver(): Promise<void>
  /** Says this to the one that is written to. */
  command(...words: string[]): Promise<void>
  stop(): Promise<void>
}

/** Sentinel's least: it has to notice first. */
const noticedAfterMs = 1000

export async function startRedisPlace(folder: string, withReplica: boolean): Promise<RedisPlace> {
  const own = ['--maxmemory-policy', 'noeviction', '--enable-debug-command', 'yes']
  const master = await startRedis([...own, '--dir', folder, '--appendonly', 'yes'])
  const replica = withReplica
    ? await startRedis([...own, '--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0'])
    : undefined
  if (replica) await synchronized(replica.url)
  const proxy = await startProxy(master.port)
  return {
    url: `redis://127.0.0.1:${proxy.port}`,
    kill: () => master.kill(),
    terminate: () => master.stop(),
    start: () => master.startAgain(),
    freeze: () => master.freeze(),
    thaw: () => master.thaw(),
    async failOver() {
      if (!replica) throw new Error('There is no replica')
      await master.kill()
      await delay(noticedAfterMs)
      await say(replica.url, ['REPLICAOF', 'NO', 'ONE'])
      proxy.pointTo(replica.port)
    },
    command: async (...words) => void (await say(master.url, words)),
    async stop() {
      await proxy.stop()
      await Promise.all([master.stop(), replica?.stop()])
    },
  }
}

async function synchronized(url: string): Promise<void> {
  while (!(await say(url, ['INFO', 'replication'])).includes('master_link_status:up')) await delay(20)
}

async function say(url: string, words: string[]): Promise<string> {
  const client = await createClient({ url }).connect()
  try {
    return String(await client.sendCommand(words))
  } finally {
    client.destroy()
  }
}
