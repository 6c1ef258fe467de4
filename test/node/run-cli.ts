/** Runs the command as a person does: in a process of its own, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const cli = fileURLToPath(new URL('../../src/node/cli.ts', import.meta.url))

export interface Finished {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  /** Resolves once stderr holds this text; rejects if the process ends before. */
  said(text: string): Promise<string>
}

export interface RunOptions {
  directory?: string
  env?: Record<string, string>
}

export function start(words: readonly string[], { directory, env }: RunOptions = {}): Running {
  const child = spawn(process.execPath, [cli, ...words], {
    cwd: directory ?? tmpdir(),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }))
  return {
    child,
    finished,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (err.includes(text)) resolve(err)
        }
        child.stderr.on('data', look)
        finished.then(() => reject(new Error(`ended without saying ${text}:\n${err}`)), reject)
        look()
      }),
  }
}

export function run(words: readonly string[], options?: RunOptions): Promise<Finished> {
  return start(words, options).finished
}

export interface Folder {
  readonly path: string
  write(files: Readonly<Record<string, string>>): void
  remove(): void
}

/** An empty folder with these files. */
export function folder(files: Readonly<Record<string, string>> = {}): Folder {
  const path = mkdtempSync(join(tmpdir(), 'coatcheck-'))
  const write = (more: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(more)) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), text)
    }
  }
  write(files)
  return { path, write, remove: () => rmSync(path, { recursive: true, force: true }) }
}
