/** Processes on a core of their own, and what they used, as the kernel counts it: for Node, Apache and workerd alike. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What is measured is alone on the one core; load, upstream, provider and Redis are on the other. */
export const cores = { subject: 0, rest: 1 } as const

export interface Usage {
  /** Of all threads, user and system. */
  readonly cpuMicros: number
  readonly rssBytes: number
}

/** A module of this folder in a Node of its own, once it has said that it is ready. */
export async function startModule(
  file: string,
  options: { core: number; env?: Record<string, string>; execArgv?: string[] },
): Promise<{ child: ChildProcess; message: unknown }> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...options.env },
    execArgv: options.execArgv ?? [],
  })
  pin(child.pid, options.core)
  const message = await Promise.race([
    once(child, 'message').then(([first]) => first),
    once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended before it was ready`))),
  ])
  return { child, message }
}

/** A program, pinned. Ready when whoever started it finds it so. */
export function startProgram(program: string, parameters: readonly string[], core: number): ChildProcess {
  return spawn('taskset', ['-c', String(core), program, ...parameters], { stdio: ['ignore', 'ignore', 'inherit'] })
}

export function pin(pid: number | undefined, core: number): void {
  spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)])
}

export function unpin(pid: number | undefined): void {
  spawnSync('taskset', ['-a', '-p', '-c', `0-${cpus().length - 1}`, String(pid)])
}

export function isInstalled(program: string): boolean {
  return spawnSync('which', [program]).status === 0
}

/** Of a process and those that it started. */
export function usageOf(child: ChildProcess): Usage {
  let cpuMicros = 0
  let rssBytes = 0
  for (const pid of withDescendants(Number(child.pid))) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      cpuMicros += Number(nanoseconds) / 1000
    }
    rssBytes += residentBytes(pid)
  }
  return { cpuMicros, rssBytes }
}

export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

function withDescendants(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(withDescendants)]
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kibibytes ?? 0) * 1024
}
