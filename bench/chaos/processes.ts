/** Coatcheck in several processes, started, stopped and killed. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AppOptions } from './app.ts'

export interface Processes {
  readonly ports: readonly number[]
  /** How often each event happened, in all processes. */
  readonly events: ReadonlyMap<string, number>
  /** Without a word. */
  kill(index: number): Promise<void>
  /** As a deploy does it: finishes what is under way. */
  terminate(index: number): Promise<void>
  start(index: number, changes?: Partial<AppOptions>): Promise<void>
  stop(): Promise<void>
}

export async function startProcesses(options: Omit<AppOptions, 'port'>, ports: readonly number[]): Promise<Processes> {
  const children: ChildProcess[] = []
  const events = new Map<string, number>()

  async function start(index: number, changes: Partial<AppOptions> = {}): Promise<void> {
    const app = { ...options, ...changes, port: ports[index] }
    const child = fork(fileURLToPath(new URL('./app.ts', import.meta.url)), {
      env: { ...process.env, CHAOS_APP: JSON.stringify(app), NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    child.on('message', (event: string) => events.set(event, (events.get(event) ?? 0) + 1))
    children[index] = child
    const failed = once(child, 'exit').then(() => {
      throw new Error(`process ${index} did not start`)
    })
    // It ends some day: that is a failure only until it is ready.
    failed.catch(() => undefined)
    await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), failed])
  }

  async function end(index: number, signal: NodeJS.Signals): Promise<void> {
    const child = children[index]
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  await Promise.all(ports.map((_, index) => start(index)))
  return {
    ports,
    events,
    start,
    kill: (index) => end(index, 'SIGKILL'),
    terminate: (index) => end(index, 'SIGTERM'),
    stop: async () => void (await Promise.all(ports.map((_, index) => end(index, 'SIGTERM')))),
  }
}
