/** The app's pages, built where they are not there or older than what they are made of. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const sources = ['src', 'public', 'index.html', 'vite.config.ts', '../src/client']

/** The folder is there whole or not at all: two that start at once on a fresh clone do not build into each other's. */
export async function buildPages(): Promise<void> {
  if (await isFresh()) return
  const { build } = await import('vite')
  const folder = here(`.build-${randomUUID()}`)
  try {
    const outDir = `${folder}/dist`
    await build({ root: here('.'), configFile: here('vite.config.ts'), logLevel: 'warn', build: { outDir } })
    await compress(outDir)
    if (existsSync(here('dist'))) await rename(here('dist'), `${folder}/before`)
    await rename(outDir, here('dist'))
  } catch (error) {
    // Another one was faster.
    if (!(await isFresh())) throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function isFresh(): Promise<boolean> {
  if (!existsSync(here('dist/index.html'))) return false
  const { mtimeMs: builtAt } = await stat(here('dist/index.html'))
  const changedAt = await Promise.all(sources.map((source) => newest(here(source))))
  return Math.max(...changedAt) <= builtAt
}

/** When a file or anything in a folder was changed last; a file that was taken away has changed its folder. */
async function newest(place: string): Promise<number> {
  const names = (await stat(place)).isDirectory() ? await readdir(place, { recursive: true }) : []
  const times = await Promise.all([place, ...names.map((name) => path.join(place, name))].map((file) => stat(file)))
  return Math.max(...times.map(({ mtimeMs }) => mtimeMs))
}

/** Coatcheck serves what lies compressed beside a file, and compresses nothing itself. */
async function compress(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true })
  const texts = names.filter((name) => /\.(?:js|css|html|svg)$/.test(name)).map((name) => path.join(folder, name))
  await Promise.all(
    texts.map(async (file) => {
      const content = await readFile(file)
      await writeFile(`${file}.br`, await promisify(brotliCompress)(content))
      await writeFile(`${file}.gz`, await promisify(gzip)(content))
    }),
  )
}
