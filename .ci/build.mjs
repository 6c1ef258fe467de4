// Builds dist/ from src/, with tsc alone. What was there before goes: a renamed file leaves nothing behind.
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const { bin } = require('typescript/package.json')
const tsc = fileURLToPath(new URL(bin.tsc, `file://${require.resolve('typescript/package.json')}`))

rmSync(`${root}/dist`, { recursive: true, force: true })
const { status } = spawnSync(process.execPath, [tsc, '--project', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (status === 0) chmodSync(`${root}/dist/node/cli.js`, 0o755)
process.exitCode = status ?? 1
