/** Coatcheck in several processes, started, stopped and killed. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AppOptions, Step } from './app.ts'

export interface Processes {
  readonly ports: readonly number[]
  /** Without a word. */
  kill(index: number): Promise<void>
  /** With the next refresh that it does, at this step of it. Resolves when it is dead; nobody waits for longer than that. */
  killAt(index: number, step: Step, limitMs: number): Promise<void>
  /** As a deploy does it: finishes what is under way. */
  terminate(index: number): Promise<void>
  start(index: number, changes?: Partial<AppOptions>): Promise<void>
  stop(): Promise<void>
}

/** Starts a module of this folder, that says something on standard output once it is ready. */
export async function forkReady(module: string, env: Record<string, string>): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)), {
    env: { ...process.env, ...env, NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const failed = once(child, 'exit').then(() => {
    throw new Error(`${module} did not start`)
  })
  // It ends some day: that is a failure only until it is ready.
  failed.catch(() => undefined)
  await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), failed])
  return child
}

export async function endChild(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

export async function startProcesses(options: Omit<AppOptions, 'port'>, ports: readonly number[]): Promise<Processes> {
  const children: ChildProcess[] = []
  const start = async (index: number, changes: Partial<AppOptions> = {}) => {
    const app = { ...options, ...changes, port: ports[index] }
    children[index] = await forkReady('./app.ts', { CHAOS_APP: JSON.stringify(app) })
  }
  await Promise.all(ports.map((_, index) => start(index)))
  return {
    ports,
    start,
    kill: (index) => endChild(children[index], 'SIGKILL'),
    async killAt(index, step, limitMs) {
      const child = children[index] as ChildProcess
      const died = once(child, 'exit', { signal: AbortSignal.timeout(limitMs) })
      child.send(step)
      await died
    },
    terminate: (index) => endChild(children[index], 'SIGTERM'),
    stop: async () => void (await Promise.all(children.map((child) => endChild(child, 'SIGTERM')))),
  }
}
