// Builds dist/ from src/: the declarations by tsc, and by esbuild as few modules as there are ways into the package, since
// a start is mostly the finding and linking of files. What was there before goes: a renamed file leaves nothing behind.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

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
if (status === 0) {
  await build({
    absWorkingDir: root,
    entryPoints: [...Object.values(exports).map((entry) => entry.default), ...Object.values(commands)]
      .filter((file) => file !== undefined)
      .map(sourceOf),
    outdir: 'dist',
    outbase: 'src',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    // What several ways in need is there once: an error or a class is the same one wherever it comes from.
    splitting: true,
    format: 'esm',
    packages: 'external',
    jsx: 'automatic',
    target: 'es2024',
    logLevel: 'warning',
  })
  chmodSync(`${root}/dist/node/cli.js`, 0o755)
}
process.exitCode = status ?? 1

/** @param {string} file of dist/, as the package names it */
function sourceOf(file) {
  const source = file.replace(/^\.\/dist\//, 'src/').replace(/\.js$/, '.ts')
  return source.endsWith('/react.ts') ? `${source}x` : source
}
