/**
 * Runs a Worker in workerd itself, without wrangler's servers around it: what a test sees is what the runtime does. It
 * reaches this machine's loopback addresses and nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** The package has no types; its default export is the path of the program. */
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string }

/** As in `wrangler.toml`. */
export const compatibility = {
  date: '2026-08-04',
  flags: ['no_nodejs_compat', 'no_nodejs_compat_v2', 'enable_request_signal'],
} as const

/** The service that Durable Objects are kept in. */
const objectStorage = 'object-storage'

export interface TestWorker {
  readonly name: string
  /** A module of this repository; it is bundled. */
  readonly entry: URL
  readonly vars?: Readonly<Record<string, string>>
  /** Put into the code in place of the names: what a Worker knows in module scope, before there is an environment. */
  readonly constants?: Readonly<Record<string, string>>
  /** Service bindings: names of other workers by the name of the binding. */
  readonly services?: Readonly<Record<string, string>>
  /** Durable Objects: names of exported classes by the name of the binding. */
  readonly objects?: Readonly<Record<string, string>>
}

export interface RunningWorkerd {
  readonly child: ChildProcess
  /** What was written to standard output and error so far. */
  output(): string
  stop(): Promise<void>
}

/**
 * Starts the workers; the first one is asked, on `http://localhost:PORT`. Rejects if workerd does not take them.
 *
 * @param options `cfHeader`: the field that `request.cf` comes in, as JSON, in place of Cloudflare's edge
 */
export async function startWorkerd(
  workers: readonly TestWorker[],
  port: number,
  options: { cfHeader?: string } = {},
): Promise<RunningWorkerd> {
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-workerd-'))
  const written = await Promise.all(workers.map((worker) => writeWorker(folder, worker)))
  // On the disk, as it is where Workers run: what is in memory goes with an object that was not asked for ten seconds.
  const objects = path.join(folder, objectStorage)
  await mkdir(objects)
  const config = path.join(folder, 'config.capnp')
  await writeFile(config, configText(written, objects, workers[0]?.name ?? '', port, options.cfHeader))

  const child = spawn(workerd, ['serve', '--control-fd=3', config], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  const onExit = () => child.kill('SIGKILL')
  process.once('exit', onExit)
  let output = ''
  const ended = once(child, 'close')
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const stop = async () => {
    process.off('exit', onExit)
    // Not a signal that lets it finish: an event stream never does.
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  const isListening = await Promise.race([listening(child.stdio[3] as Readable), ended.then(() => false)])
  if (!isListening) {
    await stop()
    throw new Error(`workerd did not start:\n${output}`)
  }
  return { child, output: () => output, stop }
}

/** The control channel gets a line of JSON once a socket listens. */
async function listening(control: Readable): Promise<boolean> {
  for await (const chunk of control) if (String(chunk).includes('"listen"')) return true
  return false
}

async function writeWorker(folder: string, worker: TestWorker): Promise<string> {
  const { name, vars = {}, constants = {}, services = {}, objects = {} } = worker
  await build({
    entryPoints: [fileURLToPath(worker.entry)],
    outfile: path.join(folder, `${name}.js`),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    define: Object.fromEntries(Object.entries(constants).map(([key, value]) => [key, JSON.stringify(value)])),
    logLevel: 'silent',
  })
  const bindings = Object.entries(services).map(
    ([binding, service]) => `(name = ${quote(binding)}, service = ${quote(service)})`,
  )
  for (const [binding, className] of Object.entries(objects)) {
    bindings.push(`(name = ${quote(binding)}, durableObjectNamespace = ${quote(className)})`)
  }
  const namespaces = Object.values(objects).map(
    (className) => `(className = ${quote(className)}, uniqueKey = ${quote(className)}, enableSql = true)`,
  )
  for (const [binding, text] of Object.entries(vars)) {
    await writeFile(path.join(folder, `${name}.${binding}`), text)
    bindings.push(`(name = ${quote(binding)}, text = embed ${quote(`${name}.${binding}`)})`)
  }
  return `(name = ${quote(name)}, worker = (
    modules = [(name = "worker", esModule = embed ${quote(`${name}.js`)})],
    compatibilityDate = ${quote(compatibility.date)},
    compatibilityFlags = [${compatibility.flags.map(quote).join(', ')}],
    bindings = [${bindings.join(', ')}],
    durableObjectNamespaces = [${namespaces.join(', ')}],
    durableObjectStorage = (localDisk = ${quote(objectStorage)}),
  ))`
}

function configText(
  workers: readonly string[],
  objects: string,
  main: string,
  port: number,
  cfHeader: string | undefined,
): string {
  const http = cfHeader === undefined ? '()' : `(cfBlobHeader = ${quote(cfHeader)})`
  const disk = `(name = "${objectStorage}", disk = (path = ${JSON.stringify(objects)}, writable = true))`
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [${workers.join(', ')}, ${disk}, (name = "internet", network = (allow = ["local"]))],
  sockets = [(name = "http", address = "localhost:${port}", http = ${http}, service = ${quote(main)})],
);
`
}

/** Names of ours: plain words. */
function quote(text: string): string {
  if (!/^[\w.-]+$/.test(text)) throw new Error(`${text} is no name`)
  return `"${text}"`
}
