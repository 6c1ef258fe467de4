#!/usr/bin/env node
/**
 * The `coatcheck` command. Imports nothing before Node's version is known to do: on an older one the
 * imports themselves fail, with words that say nothing.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 19)) {
  const { run } = await import('./cli/run.ts')
  process.exitCode = await run(process.argv.slice(2), { env: process.env, directory: process.cwd() })
} else {
  process.stderr.write(`coatcheck needs Node 22.19 or newer, and this is Node ${process.versions.node}.\n`)
  process.exitCode = 1
}

export {}
