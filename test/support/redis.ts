/** A real Redis on a port of its own, that a test may stop, freeze and start again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createClient } from 'redis'
import { freePort } from './free-port.ts'

/** Valkey's own program does as well: `REDIS_SERVER_PATH=/usr/bin/valkey-server npm test`. */
const program = process.env.REDIS_SERVER_PATH ?? 'redis-server'

export interface TestRedis {
  readonly url: string
  readonly port: number
  /** Forgets everything. */
  kill(): Promise<void>
  startAgain(): Promise<void>
  freeze(): void
  thaw(): void
  stop(): Promise<void>
}

/** @param options more of `redis-server`'s own */
export async function startRedis(options: readonly string[] = []): Promise<TestRedis> {
  const port = await freePort()
  let server = await spawnRedis(port, options)
  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const exited = once(server, 'exit')
    server.kill('SIGCONT')
    server.kill(signal)
    await exited
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill: () => end('SIGKILL'),
    async startAgain() {
      server = await spawnRedis(port, options)
    },
    freeze: () => void server.kill('SIGSTOP'),
    thaw: () => void server.kill('SIGCONT'),
    stop: () => end('SIGTERM'),
  }
}

/** A client as an operator would make one: it fails at once while it is not connected, and goes on trying. */
export async function redisClient(url: string) {
  const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 50 } })
  // What it could not do is told to whoever asked for it.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

function spawnRedis(port: number, more: readonly string[]): Promise<ChildProcess> {
  return spawnServer(port, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more])
}

/** Some other `redis-server`, such as a Sentinel. Gives what ends it. */
export async function startRedisProcess(port: number, options: readonly string[]): Promise<() => Promise<void>> {
  const server = await spawnServer(port, options)
  return async () => {
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
  }
}

async function spawnServer(port: number, options: readonly string[]): Promise<ChildProcess> {
  // A replica writes down what it is sent, whatever it was told to save: not into the folder of who runs the tests.
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-redis-'))
  const server = spawn(program, options, { stdio: 'ignore', cwd: folder })
  server.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const failed = new Promise<never>((_, reject) => {
    const ended = (cause?: Error) =>
      reject(
        new Error(
          `${program} does not start. Install it (apt-get install -y redis-server), or name one in REDIS_SERVER_PATH.`,
          { cause },
        ),
      )
    server.once('error', ended).once('exit', () => ended())
  })
  // Once it answers, its end is nobody's failure.
  failed.catch(() => undefined)
  await Promise.race([failed, answers(port)])
  return server
}

async function answers(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
