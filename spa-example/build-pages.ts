/** The app's pages, built once; `REBUILD=1 npm start` builds anew. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The folder is there whole or not at all: two that start at once on a fresh clone do not build into each other's. */
export async function buildPages(): Promise<void> {
  const isBuilt = () => existsSync(here('dist/index.html'))
  if (isBuilt() && !process.env.REBUILD) return
  const { build } = await import('vite')
  const folder = here(`.build-${randomUUID()}`)
  try {
    const outDir = `${folder}/dist`
    await build({ root: here('.'), configFile: here('vite.config.ts'), logLevel: 'warn', build: { outDir } })
    await compress(outDir)
    if (process.env.REBUILD) await rm(here('dist'), { recursive: true, force: true })
    await rename(outDir, here('dist'))
  } catch (error) {
    // Another one was faster.
    if (!isBuilt()) throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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
