/** The app on workerd: `wrangler dev` as a process of its own, on this machine alone. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export interface WranglerDevOptions {
  readonly port: number
  /** The Worker's variables, secrets among them. */
  readonly env: Readonly<Record<string, string>>
  /** Default: this repository's `wrangler.toml`. */
  readonly config?: string
}

const repository = fileURLToPath(new URL('../..', import.meta.url))
/** How long wrangler may take to end its parts before it is ended with them. */
const stopLimitMs = 1000

/**
 * Starts what `wrangler.toml` says on `http://localhost:PORT`, and waits until it listens. The variables go by a file
 * that only this user can read, never by the command line, which every user of the machine can.
 *
 * @throws if the port is taken (`EADDRINUSE`), or wrangler does not take the Worker
 */
export async function startWranglerDev(options: WranglerDevOptions): Promise<{ close(): Promise<void> }> {
  const { port, env, config = path.join(repository, 'wrangler.toml') } = options
  await assertFree(port)
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-workers-'))
  const envFile = path.join(folder, 'vars.env')
  await writeFile(envFile, envText(env), { mode: 0o600 })
  // A process group of its own, so that workerd and the bundler end with it, whatever becomes of wrangler.
  const child = spawn(process.execPath, wranglerArguments(port, config, envFile), {
    cwd: path.dirname(config),
    detached: true,
    env: { ...process.env, ...withoutNetwork },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const exited = once(child, 'exit')
  const killGroup = () => kill(child, 'SIGKILL')
  process.once('exit', killGroup)
  // Warnings and errors, the Worker's own among them.
  for (const stream of [child.stdout, child.stderr]) stream?.pipe(process.stderr, { end: false })

  async function close(): Promise<void> {
    kill(child, 'SIGTERM')
    const limit = setTimeout(killGroup, stopLimitMs)
    await exited
    clearTimeout(limit)
    killGroup()
    process.off('exit', killGroup)
    await rm(folder, { recursive: true, force: true })
  }

  const isReady = await Promise.race([ready(child), exited.then(() => false)])
  if (isReady) return { close }
  await close()
  throw new Error('wrangler dev ended before it was ready')
}

/** wrangler's program itself: the command around it is one process more between us and workerd. */
function wranglerArguments(port: number, config: string, envFile: string): string[] {
  const require = createRequire(import.meta.url)
  const program = path.join(path.dirname(require.resolve('wrangler/package.json')), 'wrangler-dist/cli.js')
  const options = {
    config,
    'env-file': envFile,
    ip: 'localhost',
    port: String(port),
    'inspector-port': '0',
    'log-level': 'warn',
    'show-interactive-dev-session': 'false',
  }
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`)
  return ['--no-warnings', program, 'dev', '--local', ...flags]
}

/** Nothing leaves this machine: no usage figures, no look for a newer wrangler (the banner's), no look for a location. */
export const withoutNetwork = {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  DO_NOT_TRACK: '1',
  WRANGLER_HIDE_BANNER: 'true',
  WRANGLER_NO_SKILLS_UPDATE_PROMPTS: 'true',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_SEND_METRICS: 'false',
}

/** wrangler tells the process that started it when it listens. */
async function ready(child: ChildProcess): Promise<boolean> {
  for (;;) {
    const [message] = await once(child, 'message')
    if (String(message).includes('"DEV_SERVER_READY"')) return true
  }
}

/** Single quotes keep everything as it is but themselves. */
function envText(env: Readonly<Record<string, string>>): string {
  const lines = Object.entries(env).map(([name, value]) => {
    if (/['\r\n]/.test(value)) throw new Error(`${name} has a quote or a line break, which an env file cannot hold`)
    return `${name}='${value}'\n`
  })
  return lines.join('')
}

/** wrangler would take another port, and the provider knows this one only. */
async function assertFree(port: number): Promise<void> {
  const server = createServer().listen(port, 'localhost')
  await once(server, 'listening')
  server.close()
  await once(server, 'close')
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // ESRCH: nobody of the group is left, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
