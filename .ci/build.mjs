// Builds dist/ from src/: the declarations by tsc, and by esbuild a few modules that the ways into the package share, since
// half of a start was the finding and linking of files. What was there before goes: a renamed file leaves nothing behind.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { thinSourceMaps } from './source-maps.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const { bin } = require('typescript/package.json')
const tsc = fileURLToPath(new URL(bin.tsc, `file://${require.resolve('typescript/package.json')}`))
const { exports, bin: commands } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))

rmSync(`${root}/dist`, { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [tsc, '--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [...Object.values(exports).map((entry) => entry.default), ...Object.values(commands)]
    .filter((file) => file !== undefined)
    // Without its ending: esbuild finds the `.ts` or `.tsx` that it was made of.
    .map((file) => file.replace(/^\.\/dist\/(.*)\.js$/, './src/$1')),
  outdir: 'dist',
  outbase: 'src',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  // What several ways in need is there once: an error or a class is the same one wherever it comes from.
  splitting: true,
  format: 'esm',
  packages: 'external',
  target: 'es2024',
  logLevel: 'warning',
  sourcemap: 'external',
  sourcesContent: false,
  metafile: true,
})
thinSourceMaps(root, metafile.outputs)
chmodSync(`${root}/dist/node/cli.js`, 0o755)
