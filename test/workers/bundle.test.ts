/** What would be deployed: `wrangler deploy --dry-run`, with Node compatibility off. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withoutNetwork } from '../../spa-example/workers/wrangler-dev.ts'
import { compatibility } from '../support/workerd.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const wrangler = fileURLToPath(
  new URL('wrangler-dist/cli.js', `file://${createRequire(import.meta.url).resolve('wrangler/package.json')}`),
)
/** Of the whole Worker, gzipped. Workers take 3 MiB on the free plan; ours shall not grow without being noticed. */
const limitBytes = 192 * 1024

let folder: string
/** Pages of the test's own: the demo's are built by its start. */
let assets: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-bundle-'))
  assets = path.join(folder, 'pages')
  await mkdir(assets)
  await writeFile(path.join(assets, 'index.html'), '<!doctype html>')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Rejects, with what wrangler said, if it does not take the Worker. */
async function deploy(outdir: string, ...more: string[]): Promise<{ said: string; code: string; sources: string[] }> {
  const args = [
    '--no-warnings',
    wrangler,
    'deploy',
    '--dry-run',
    '--outdir',
    outdir,
    '--config',
    'wrangler.toml',
    ...more,
  ]
  const env = { ...process.env, ...withoutNetwork, NO_COLOR: '1' }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: repository, env })
  const scripts = (await readdir(outdir)).filter((name) => /\.[cm]?js$/.test(name))
  const texts = await Promise.all(scripts.map((name) => readFile(path.join(outdir, name), 'utf8')))
  const { sources } = JSON.parse(await readFile(path.join(outdir, `${scripts[0]}.map`), 'utf8'))
  return { said: stdout + stderr, code: texts.join('\n'), sources }
}

/** Static and dynamic imports, and `require`, of Node's own modules. */
function nodeImports(code: string): string[] {
  return code.match(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\w*\s*\(\s*)["']node:[^"']+["']/g) ?? []
}

describe('the Worker that is deployed', () => {
  it('is taken without a warning, has nothing of Node in it, and is small', async () => {
    const { said, code, sources } = await deploy(path.join(folder, 'out'), '--assets', assets)
    expect(said).not.toMatch(/warning|error/i)
    expect(nodeImports(code)).toEqual([])
    const ours = sources.filter((source) => !source.includes('node_modules'))
    expect(ours.some((source) => source.endsWith('src/workers/worker.ts'))).toBe(true)
    expect(ours.filter((source) => /src\/(?:node|client|split)\//.test(source))).toEqual([])
    // The gateway verifies with the guard's function, and has no other part of it.
    expect(
      ours.filter((source) => /resource-server\/(?:guard|hono|express|fastify|policy|dpop)\.ts$/.test(source)),
    ).toEqual([])
    const bytes = gzipSync(code).length
    console.log(`The Worker is ${(bytes / 1024).toFixed(1)} KiB, gzipped`)
    expect(bytes).toBeLessThan(limitBytes)
  })

  it('would fail this test with a module of Node in it, which wrangler lets pass', async () => {
    const entry = path.join(folder, 'with-node.js')
    await writeFile(
      entry,
      `import { readFile } from 'node:fs'\nexport class CoatcheckSession {}\nexport default { fetch: () => new Response(readFile.name) }`,
    )
    const { code } = await deploy(path.join(folder, 'out-with-node'), entry, '--assets', assets)
    expect(nodeImports(code)).not.toEqual([])
  })

  it('runs with the date and the flags that the tests run with', async () => {
    const toml = await readFile(path.join(repository, 'wrangler.toml'), 'utf8')
    expect(toml).toContain(`compatibility_date = "${compatibility.date}"`)
    expect(toml).toContain(`compatibility_flags = [${compatibility.flags.map((flag) => `"${flag}"`).join(', ')}]`)
    expect(toml).toContain('run_worker_first = true')
    // Secrets come from `wrangler secret put`, and for the demo from its start.
    expect(toml).not.toMatch(/SECRET|\[vars\]/)
  })
})
