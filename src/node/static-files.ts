/** The list of files of a built app, read once at start: no request path ever becomes a file path. */
import { createHash } from 'node:crypto'
import { createReadStream, type Stats } from 'node:fs'
import { lstat, open, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { ConfigError, type ConfigIssue } from '../config/config-error.ts'
import { describeFile, type PageFile } from '../pages.ts'

/** One file, and the compressed ones beside it. */
export interface StaticFile extends PageFile {
  readonly plain: StaticContent
  /** By content coding, in the order that we prefer them. */
  readonly encoded: ReadonlyMap<string, StaticContent>
}

export interface StaticContent {
  readonly size: number
  /** Strong, of the bytes. */
  readonly etag: string
  /** Undefined when the file was changed or removed since the start. */
  body(): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | undefined>
}

const codings = [
  ['br', '.br'],
  ['zstd', '.zst'],
  ['gzip', '.gz'],
] as const

/** What no built app has, and the folder that it was built from has. */
const sourceMarks = ['package.json', 'node_modules']

/** Small files stay in memory; larger ones are read from the disk when they are asked for. */
const memoryLimitBytes = 1024 * 1024

/**
 * Every file under `dir` by its path as in a URL (`/assets/app.js`), decoded. Leaves out what begins with a dot,
 * and links: one that points out of the folder would publish what is behind it.
 *
 * @throws {ConfigError} when the folder or its `index.html` is missing, and when it is the source of an app.
 */
export async function readStaticFiles(dir: string): Promise<Map<string, StaticFile>> {
  const root = path.resolve(dir)
  const mistake = (await notBuiltMistake(root, dir)) ?? (await sourceMistake(root, dir))
  if (mistake) throw new ConfigError([mistake])
  const contents = new Map<string, StaticContent>()
  await collect(root, '', contents)
  const files = new Map<string, StaticFile>()
  for (const [name, plain] of contents) {
    if (isEncodedCopy(name, contents)) continue
    files.set(name, { ...describeFile(name), plain, encoded: encodedCopies(name, contents) })
  }
  return files
}

/**
 * What a build mends: there is no such folder, or no `index.html` in it.
 *
 * @param dir as the configuration has it
 */
export async function notBuiltMistake(root: string, dir: string): Promise<ConfigIssue | undefined> {
  const index = await lstat(path.join(root, 'index.html')).catch(unlessMissing)
  if (index?.isFile()) return undefined
  const isThere = (await stat(root).catch(unlessMissing))?.isDirectory()
  return {
    path: 'spa.dir',
    problem: `names ${dir}, and there is no ${isThere ? 'index.html in it' : 'such folder'}`,
    cure: 'build the app first, or name the folder it is built to',
  }
}

/** What a build does not mend: the folder is the source of an app. */
export async function sourceMistake(root: string, dir: string): Promise<ConfigIssue | undefined> {
  for (const name of sourceMarks) {
    if ((await lstat(path.join(root, name)).catch(unlessMissing)) === undefined) continue
    return {
      path: 'spa.dir',
      problem: `names ${dir}, and ${name} is in it, so it is the source and all of it would be public`,
      cure: 'name the folder that the app is built to',
    }
  }
  return undefined
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error
}

async function collect(root: string, folder: string, contents: Map<string, StaticContent>): Promise<void> {
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue
    const name = `${folder}/${entry.name}`
    if (entry.isDirectory()) await collect(root, name, contents)
    else if (entry.isFile()) contents.set(name, await readContent(path.join(root, name)))
  }
}

async function readContent(file: string): Promise<StaticContent> {
  const handle = await open(file)
  try {
    const stats = await handle.stat()
    if (stats.size > memoryLimitBytes)
      return { ...(await describe(file)), size: stats.size, body: () => read(file, stats) }
    const bytes = new Uint8Array(await handle.readFile())
    return { size: bytes.byteLength, etag: etagOf(createHash('sha256').update(bytes)), body: async () => bytes }
  } finally {
    await handle.close()
  }
}

async function describe(file: string): Promise<{ etag: string }> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return { etag: etagOf(hash) }
}

function etagOf(hash: ReturnType<typeof createHash>): string {
  return `"${hash.digest('base64url').slice(0, 27)}"`
}

/** Opens first and looks then, so that what was looked at is what is sent. */
async function read(file: string, expected: Stats): Promise<ReadableStream<Uint8Array> | undefined> {
  const handle = await open(file).catch(unlessMissing)
  if (handle === undefined) return undefined
  const stats = await handle.stat()
  if (stats.size !== expected.size || stats.mtimeMs !== expected.mtimeMs || stats.ino !== expected.ino) {
    await handle.close()
    return undefined
  }
  return Readable.toWeb(handle.createReadStream()) as ReadableStream<Uint8Array>
}

function isEncodedCopy(name: string, contents: ReadonlyMap<string, StaticContent>): boolean {
  return codings.some(([, ending]) => name.endsWith(ending) && contents.has(name.slice(0, -ending.length)))
}

function encodedCopies(name: string, contents: ReadonlyMap<string, StaticContent>): Map<string, StaticContent> {
  const copies = new Map<string, StaticContent>()
  for (const [coding, ending] of codings) {
    const copy = contents.get(name + ending)
    if (copy !== undefined) copies.set(coding, copy)
  }
  return copies
}
