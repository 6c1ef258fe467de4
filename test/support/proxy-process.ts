/** A proxy that is not ours, as a process of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export interface RunningProxy {
  stop(): Promise<void>
}

/** Where it keeps what it reads and writes; `stop` removes it. */
export function proxyFolder(name: string): Promise<string> {
  return mkdtemp(path.join(tmpdir(), `coatcheck-${name}-`))
}

/** Resolves once somebody listens; rejects with what it wrote when it ends before. */
export async function startProxy(
  program: string,
  parameters: readonly string[],
  { port, folder }: { port: number; folder: string },
): Promise<RunningProxy> {
  const child = spawn(program, parameters, { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const ended = once(child, 'close')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  let hasEnded = false
  void ended.then(() => {
    hasEnded = true
  })
  while (!(await isListening(port))) {
    if (hasEnded) throw new Error(`${program} did not start:\n${output}`)
    await wait(20)
  }
  return { stop }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
