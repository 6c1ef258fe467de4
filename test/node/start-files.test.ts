/** What a start loads: Node takes about a millisecond for each file, and much of a start is that. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const moduleOf = (file: string) => JSON.stringify(new URL(`../../src/node/${file}`, import.meta.url).href)
const script = `
  import { registerHooks } from 'node:module'
  registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) })
  await import(${moduleOf('cli/serve.ts')})
  await import(${moduleOf('serve.ts')})
`

it('a start loads of its packages and of the command what it uses, and no package whole', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const child = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: root, encoding: 'utf8' })
  expect([child.status, child.stderr]).toEqual([0, ''])
  const loaded = child.stdout.split('\n')
  const has = (end: string) => loaded.some((url) => url.endsWith(end))
  expect([has('/node/server.ts'), has('/jose/dist/webapi/jwt/verify.js')]).toEqual([true, true])
  for (const unused of [
    '/jose/dist/webapi/index.js',
    '/undici/index.js',
    '/node/loader-mistakes.ts',
    '/node/local-certificate.ts',
  ]) {
    expect(has(unused), unused).toBe(false)
  }
})
