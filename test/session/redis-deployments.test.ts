/** Redis as it is run: with a replica, as a cluster, behind Sentinel, with users of few rights (protocol.md S2). */

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createClient, createCluster, createSentinel } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeCertificate } from '../../src/node/self-signed.ts'
import { redisCoordinator } from '../../src/session/stores/redis.ts'
import { freePort } from '../support/free-port.ts'
import { redisClient, startRedis, startRedisProcess, type TestRedis } from '../support/redis.ts'

const run = promisify(execFile)
const hour = 60 * 60 * 1000
/** A machine that is busy with other tests has its replica late. */
const patient = { commandTimeoutMs: 10_000, replicaTimeoutMs: 5000 }
const entry = (version: number) => ({ version, payload: `payload ${version}`, keepUntil: Date.now() + hour })

const stops: (() => Promise<unknown>)[] = []
const keep = (redis: TestRedis) => {
  stops.push(() => redis.stop())
  return redis
}
afterAll(async () => {
  // What was made last goes first: a node of a cluster writes into its folder until it has stopped.
  for (const stop of stops.reverse()) await stop()
})

async function withReplica() {
  const master = keep(await startRedis())
  const replica = keep(
    await startRedis(['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0']),
  )
  const admin = await redisClient(replica.url)
  while (!(await admin.info('replication')).includes('master_link_status:up')) await pause(20)
  return { master, replica, admin }
}

describe('a Redis with a replica', () => {
  let redis: Awaited<ReturnType<typeof withReplica>>
  beforeAll(async () => {
    redis = await withReplica()
  })
  afterAll(() => redis.admin.close())

  it('has every rotation and every sign-out there too, once it is answered', async () => {
    const coordinator = redisCoordinator({
      client: await redisClient(redis.master.url),
      prefix: 'replicated:',
      ...patient,
    })
    try {
      await redis.admin.configSet('repl-ping-replica-period', '10')
      for (let version = 1; version <= 50; version++) {
        await coordinator.commit('s', version - 1, entry(version))
        expect(await redis.admin.hGet('replicated:session:s', 'v')).toBe(String(version))
      }
      await coordinator.recordAttempt('s', 50, Date.now() + hour)
      expect(await redis.admin.hGet('replicated:session:s', 'av')).toBe('50')
      await coordinator.end('s', Date.now() + hour)
      expect(await redis.admin.hGet('replicated:session:s', 'e')).toBe('ended')
    } finally {
      await coordinator.close()
    }
  })

  it('that has stopped costs a write the wait for it, and reads nothing', async () => {
    const client = await redisClient(redis.master.url)
    const coordinator = redisCoordinator({ client, prefix: 'stopped:', replicaTimeoutMs: 300 })
    redis.replica.freeze()
    try {
      const began = performance.now()
      const writing = coordinator
        .commit('s', 0, entry(1))
        .then((result) => [result, performance.now() - began] as const)
      await expect.poll(() => coordinator.read('s')).toMatchObject({ version: 1 })
      const readMs = performance.now() - began
      const [result, writeMs] = await writing
      expect(result).toBe('committed')
      expect(writeMs).toBeGreaterThanOrEqual(290)
      expect(readMs).toBeLessThan(writeMs)
    } finally {
      redis.replica.thaw()
      await coordinator.close()
    }
  })

  it('that has stopped fails no write, however many come at once, and is waited for once in a while (S2)', async () => {
    const client = await redisClient(redis.master.url)
    const coordinator = redisCoordinator({ client, prefix: 'many:' })
    const writeMany = (name: string) =>
      Promise.all(Array.from({ length: 200 }, (_, count) => coordinator.commit(`${name}${count}`, 0, entry(1))))
    const waitsSoFar = async () => Number(/cmdstat_wait:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
    redis.replica.freeze()
    try {
      const before = await waitsSoFar()
      expect(new Set(await writeMany('first'))).toEqual(new Set(['committed']))
      expect(new Set(await writeMany('second'))).toEqual(new Set(['committed']))
      expect(new Set(await writeMany('third'))).toEqual(new Set(['committed']))
      const waits = (await waitsSoFar()) - before
      expect(waits).toBeGreaterThan(0)
      expect(waits).toBeLessThan(10)
    } finally {
      redis.replica.thaw()
      await coordinator.close()
    }
  })

  it('that has stopped lets no attempt come back that was taken back because it did not get through (R3)', async () => {
    const [client, watcher] = [await redisClient(redis.master.url), await redisClient(redis.master.url)]
    const until = Date.now() + hour
    const coordinator = redisCoordinator({ client, prefix: 'late:', commandTimeoutMs: 300, replicaTimeoutMs: 1000 })
    try {
      await coordinator.commit('s', 0, entry(1))
      redis.replica.freeze()
      // Its wait for the replica holds up the connection that writes.
      const other = expect(coordinator.commit('t', 0, entry(1))).rejects.toMatchObject({ code: 'store_unavailable' })
      await expect
        .poll(() => watcher.clientList().then((all) => all.some(({ flags }) => flags.includes('b'))))
        .toBe(true)
      await expect(coordinator.recordAttempt('s', 1, until)).rejects.toMatchObject({ code: 'store_unavailable' })
      const clearing = coordinator.clearAttempt('s').catch(() => 'not answered in time')
      await Promise.all([other, clearing])
      redis.replica.thaw()
      // On the same connection, so it comes after them.
      await expect.poll(() => coordinator.commit('u', 0, entry(1)).catch(() => 'out')).toMatch(/committed|stale/)
      expect((await coordinator.read('s'))?.attempt).toBeUndefined()
    } finally {
      redis.replica.thaw()
      await coordinator.close()
      await watcher.close()
    }
  })

  it('is waited for by writes together, and has all of them', async () => {
    const client = await redisClient(redis.master.url)
    const coordinator = redisCoordinator({ client, prefix: 'together:', ...patient })
    const names = Array.from({ length: 200 }, (_, count) => `s${count}`)
    try {
      await Promise.all(
        names.map(async (name) => {
          await coordinator.commit(name, 0, entry(1))
          expect(await redis.admin.hGet(`together:session:${name}`, 'v')).toBe('1')
        }),
      )
    } finally {
      await coordinator.close()
    }
  })

  it('keeps rotations and sign-outs when the replica takes over', async () => {
    const { master, replica, admin } = await withReplica()
    const before = redisCoordinator({ client: await redisClient(master.url), ...patient })
    await before.commit('rotated', 0, entry(1))
    await before.commit('rotated', 1, entry(2))
    await before.commit('ended', 0, entry(1))
    await before.end('ended', Date.now() + hour)
    await master.kill()
    await before.close()
    await admin.sendCommand(['REPLICAOF', 'NO', 'ONE'])
    await admin.close()
    const after = redisCoordinator({ client: await redisClient(replica.url) })
    expect(await after.read('rotated')).toMatchObject({ version: 2, payload: 'payload 2' })
    expect(await after.read('ended')).toMatchObject({ ending: 'ended' })
    expect(await after.commit('ended', 1, entry(2))).toBe('ended')
    await after.close()
  })
})

describe('a cluster of three masters', () => {
  it('keeps sessions on all of them', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-cluster-'))
    stops.push(() => rm(folder, { recursive: true, force: true }))
    const nodes: TestRedis[] = []
    for (let count = 0; count < 3; count++) {
      const bus = String(await freePort())
      const file = path.join(folder, `nodes-${count}.conf`)
      nodes.push(
        keep(await startRedis(['--cluster-enabled', 'yes', '--cluster-config-file', file, '--cluster-port', bus])),
      )
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
    for (const { url } of nodes) {
      const node = await redisClient(url)
      while (!String(await node.sendCommand(['CLUSTER', 'INFO'])).includes('cluster_state:ok')) await pause(50)
      await node.close()
    }
    const client = createCluster({ rootNodes: nodes.map(({ url }) => ({ url })) })
    client.on('error', () => undefined)
    await client.connect()
    const coordinator = redisCoordinator({ client })
    try {
      for (let count = 0; count < 30; count++) {
        const id = `s${count}`
        expect(await coordinator.commit(id, 0, entry(1))).toBe('committed')
        await coordinator.index.add(`k${count}`, id, Date.now() + hour)
        expect(await coordinator.index.list(`k${count}`, 5)).toEqual([id])
        expect(await coordinator.commit(id, 0, entry(2))).toBe('stale')
        await coordinator.end(id, Date.now() + hour)
        expect(await coordinator.read(id)).toMatchObject({ ending: 'ended' })
      }
      await Promise.all(Array.from({ length: 30 }, (_, count) => coordinator.acquireLease(`s${count}`, hour)))
      const keysOf = nodes.map(async ({ url }) => {
        const node = await redisClient(url)
        const keys = await node.keys('*')
        await node.close()
        return keys
      })
      for (const keys of await Promise.all(keysOf)) {
        expect(keys.length).toBeGreaterThan(0)
        // A lease is where its session is, and is lost with that or not at all (R6).
        const idsOf = (kind: string) => keys.flatMap((key) => key.match(`${kind}.*\\b(s[0-9]+)`)?.[1] ?? []).sort()
        expect(idsOf(':lease:')).toEqual(idsOf('^coatcheck:session:'))
      }
    } finally {
      await coordinator.close()
    }
  })
})

describe('a Redis that Sentinel watches', () => {
  it('is found through it, and its replica has what is written', async () => {
    const { master, admin } = await withReplica()
    const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-sentinel-'))
    stops.push(() => rm(folder, { recursive: true, force: true }))
    const port = await freePort()
    const file = path.join(folder, 'sentinel.conf')
    await writeFile(file, `port ${port}\nbind 127.0.0.1\nsentinel monitor coats 127.0.0.1 ${master.port} 1\n`)
    stops.push(await startRedisProcess(port, [file, '--sentinel']))
    const client = createSentinel({
      name: 'coats',
      sentinelRootNodes: [{ host: '127.0.0.1', port }],
    })
    client.on('error', () => undefined)
    await client.connect()
    const coordinator = redisCoordinator({ client, prefix: 'watched:', ...patient })
    try {
      expect(await coordinator.commit('s', 0, entry(1))).toBe('committed')
      expect(await admin.hGet('watched:session:s', 'v')).toBe('1')
      expect(await coordinator.read('s')).toMatchObject({ version: 1 })
    } finally {
      await coordinator.close()
      await admin.close()
    }
  })
})

describe('a Redis user of few rights', () => {
  it('may do all that is needed with its own keys: scripts, and nothing of the administrator’s', async () => {
    const redis = keep(await startRedis())
    const admin = await redisClient(redis.url)
    // As docs/redis.md says it.
    await admin.sendCommand(
      'ACL SETUSER coatcheck on >secret ~coatcheck:* +@read +@write +@scripting +@connection +time +wait -@dangerous +info'.split(
        ' ',
      ),
    )
    const client = createClient({
      url: redis.url,
      username: 'coatcheck',
      password: 'secret',
      disableOfflineQueue: true,
    })
    client.on('error', () => undefined)
    await client.connect()
    const coordinator = redisCoordinator({ client })
    try {
      expect(await coordinator.problem?.()).toBeUndefined()
      expect(await coordinator.commit('s', 0, entry(1))).toBe('committed')
      const lease = await coordinator.acquireLease('s', 1000)
      await coordinator.recordAttempt('s', 1, Date.now() + hour)
      await lease.release()
      await coordinator.index.add('k', 's', Date.now() + hour)
      expect(await coordinator.once('k', 1000, async () => 'done')).toBe('done')
      expect(await coordinator.count('k', 1000)).toMatchObject({ count: 1 })
      await coordinator.end('s', Date.now() + hour)
      expect(await coordinator.read('s')).toMatchObject({ ending: 'ended' })
    } finally {
      await coordinator.close()
      await admin.close()
    }
  })
})

describe('a Redis behind TLS', () => {
  it('is used over it, and not where its certificate is nobody’s that is trusted', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-redis-tls-'))
    const now = Date.now()
    const { key, cert } = makeCertificate({
      hosts: ['localhost'],
      notBefore: new Date(now - hour),
      notAfter: new Date(now + hour),
    })
    const [keyFile, certFile] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')]
    await Promise.all([writeFile(keyFile, key), writeFile(certFile, cert)])
    const port = await freePort()
    const files = ['--tls-key-file', keyFile, '--tls-cert-file', certFile, '--tls-ca-cert-file', certFile]
    keep(await startRedis(['--tls-port', String(port), '--tls-auth-clients', 'no', ...files]))
    stops.push(() => rm(folder, { recursive: true }))
    const options = { url: `rediss://localhost:${port}`, disableOfflineQueue: true }

    const client = createClient({ ...options, socket: { tls: true, ca: cert } })
    client.on('error', () => undefined)
    await client.connect()
    const coordinator = redisCoordinator({ client, prefix: 'tls:' })
    expect(await coordinator.commit('s', 0, entry(1))).toBe('committed')
    expect(await coordinator.read('s')).toMatchObject({ version: 1, payload: 'payload 1' })
    await coordinator.close()

    const stranger = createClient({ ...options, socket: { tls: true, reconnectStrategy: false } })
    stranger.on('error', () => undefined)
    await expect(stranger.connect()).rejects.toThrow(/self-signed certificate/)
  })
})

describe('a Redis that may throw away what it holds', () => {
  it('is a problem that the operator is told of', async () => {
    const redis = keep(await startRedis())
    const admin = await redisClient(redis.url)
    const coordinator = redisCoordinator({ client: await redisClient(redis.url) })
    expect(await coordinator.problem?.()).toBeUndefined()
    await admin.configSet('maxmemory-policy', 'allkeys-lru')
    expect(await coordinator.problem?.()).toMatchObject({ problem: expect.stringContaining('allkeys-lru') })
    await Promise.all([coordinator.close(), admin.close()])
  })
})
