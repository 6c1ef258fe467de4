/** The package as who installs it gets it: built, packed, put into an empty folder. Slow, so it is a project of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const work = mkdtempSync(join(tmpdir(), 'coatcheck-package-'))
const app = join(work, 'app')
let tarball: string

beforeAll(() => {
  run(process.execPath, ['.ci/build.mjs'], root)
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', work], root)
  tarball = join(work, readdirSync(work).find((name) => name.endsWith('.tgz')) ?? 'none.tgz')
  write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module' }))
  run(
    'npm',
    ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, `hono@${manifest.devDependencies.hono}`],
    app,
  )
}, 300_000)

afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('the packed package', () => {
  it('has what it needs and nothing of the sources', () => {
    const files = run('tar', ['--list', '--file', tarball], work).split('\n').filter(Boolean)
    for (const name of [
      'package.json',
      'README.md',
      'LICENSE',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/node/cli.js',
    ]) {
      expect(files).toContain(`package/${name}`)
    }
    const strangers = files.filter(
      (name) =>
        !/^package\/(dist\/.*\.(js|js\.map|d\.ts)|package\.json|[A-Z]+(\.md)?|docs\/[\w-]+\.(md|png))$/.test(name),
    )
    expect(strangers).toEqual([])
  })

  it('is what publint asks for', () => {
    expect(run(bin('publint'), ['run', '--strict', root], root)).toContain('All good')
  }, 60_000)

  it('has types that every ES module resolution finds', () => {
    run(bin('attw'), ['--profile', 'esm-only', '--no-emoji', tarball], root)
  }, 60_000)

  it('loads each entry that runs on Node', () => {
    const entries = Object.keys(manifest.exports).filter((entry) => !/workers|react|package\.json/.test(entry))
    expect(entries).toEqual(expect.arrayContaining(['.', './node', './client', './resource-server']))
    const code = entries.map((entry) => `await import(${JSON.stringify(join('coatcheck', entry))})`).join('\n')
    run(process.execPath, ['--input-type=module', '--eval', code], app)
  })
})

describe('its modules', () => {
  it('are few: Node takes about a millisecond of a start for each', () => {
    const script = `
      import { registerHooks } from 'node:module'
      registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) })
      await import('coatcheck/node')`
    const loaded = run(process.execPath, ['--input-type=module', '--eval', script], app).split('\n')
    const own = loaded.filter((url) => url.includes('/coatcheck/dist/'))
    expect(own.length).toBeGreaterThan(1)
    expect(own.length).toBeLessThan(20)
  })

  it('are free of Node where the entry is not for Node alone', async () => {
    const entries = Object.keys(manifest.exports).filter((entry) => !/node|package\.json/.test(entry))
    expect(entries).toEqual(
      expect.arrayContaining(['.', './workers', './client', './react', './resource-server', './split']),
    )
    const contents = entries.map((entry) => `import ${JSON.stringify(join('coatcheck', entry))}`).join('\n')
    const { metafile } = await build({
      stdin: { contents, resolveDir: app },
      bundle: true,
      write: false,
      metafile: true,
      format: 'esm',
      external: ['node:*', 'cloudflare:*', 'react', 'react/*', 'redis'],
      ignoreAnnotations: true,
    })
    const imports = Object.entries(metafile.inputs).flatMap(([from, input]) =>
      input.imports.map((one) => [from, one.path]),
    )
    expect(imports.length).toBeGreaterThan(20)
    expect(imports.filter(([, path]) => path?.startsWith('node:'))).toEqual([])
  })

  it('hold what several of the entries need once, so that an error is the same one wherever it comes from', () => {
    const source = run('tar', ['--list', '--file', tarball], work)
      .split('\n')
      .filter((name) => /^package\/dist\/.*\.js$/.test(name))
      .filter((name) => !/\/(client|resource-server|split)\//.test(name))
      .map((name) => run('tar', ['--extract', '--to-stdout', '--file', tarball, name], work))
      .join('\n')
    for (const name of ['CoatcheckError', 'ConfigError', 'FieldHeaders']) {
      expect(source.match(new RegExp(`\\b${name} = class\\b`, 'g')), name).toHaveLength(1)
    }
  })
})

describe('a stack', () => {
  const script = `
    import { serve } from 'coatcheck/node'
    const app = { fetch: () => new Response() }
    const { port } = await serve(app, { host: '127.0.0.1' })
    await serve(app, { host: '127.0.0.1', port }).catch(({ stack }) => console.log(stack))
    process.exit()`
  const stack = (...options: string[]) =>
    run(process.execPath, [...options, '--input-type=module', '--eval', script], app)

  it('names files and lines of the sources with --enable-source-maps, and chunks without', () => {
    const places = [...stack('--enable-source-maps').matchAll(/coatcheck\/(src\/\S+\.ts):(\d+)/g)]
    const lines = places.map(
      ([, file, line]) => readFileSync(join(root, file ?? ''), 'utf8').split('\n')[Number(line) - 1],
    )
    expect(places.map(([, file]) => file)).toContain('src/node/serve.ts')
    expect(lines).toContainEqual(expect.stringContaining('throw listenError('))
    expect(lines).toContainEqual(expect.stringContaining('await createServer('))
    expect(stack()).toMatch(/coatcheck\/dist\/chunks\//)
  })

  it('costs the package little, and the bundlers of browsers’ files nothing', () => {
    const dist = join(app, 'node_modules/coatcheck/dist')
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    const bytes = (ending: string) =>
      files.filter((name) => name.endsWith(ending)).reduce((sum, name) => sum + statSync(join(dist, name)).size, 0)
    expect(bytes('.js.map')).toBeGreaterThan(1000)
    expect(bytes('.js.map')).toBeLessThan(bytes('.js') / 5)
    // Some warn of each map whose sources are not there.
    const bundled = files.filter((name) => /^client\/.*\.js$/.test(name))
    expect(bundled).toEqual(expect.arrayContaining(['client/index.js', 'client/react.js']))
    expect(bundled.filter((name) => readFileSync(join(dist, name), 'utf8').includes('sourceMappingURL'))).toEqual([])
  })
})

describe('in an empty folder', () => {
  it('the command is there', () => {
    expect(run(bin('coatcheck', app), ['--version'], app)).toBe(`${manifest.version}\n`)
    expect(run(bin('coatcheck', app), ['keygen'], app)).toMatch(/^[A-Za-z0-9_-]{43}\n$/)
  })

  it("a user's configuration is type-checked, checked and served", async () => {
    const port = await freePort()
    write('coatcheck.config.mts', config(port))
    write('.env', `CLIENT_SECRET=a-client-secret\nSESSION_SECRET=${run(bin('coatcheck', app), ['keygen'], app)}`)
    write('dist/index.html', '<!doctype html><title>The app</title>')

    write('api.mts', api)
    write('tsconfig.json', tsconfig)
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', app], app)

    const checked = run(bin('coatcheck', app), ['check', '--env-file', '.env'], app)
    expect(checked).toMatch(/\/api\/orders\/\* +GET HEAD POST +session/)

    const server = spawn(bin('coatcheck', app), ['serve', '--env-file', '.env'], {
      cwd: app,
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    try {
      await said(server, ' serves ')
      const page = await fetch(`http://localhost:${port}/`)
      expect(page.headers.get('content-security-policy')).toContain('script-src')
      expect(await page.text()).toContain('The app')
      const session = await fetch(`http://localhost:${port}/bff/session`, { headers: { 'X-CSRF': '1' } })
      expect(await session.json()).toEqual({ authenticated: false })
      const call = await fetch(`http://localhost:${port}/api/orders/1`, { headers: { 'X-CSRF': '1' } })
      expect([call.status, (await call.json()).code]).toEqual([401, 'login_required'])
    } finally {
      server.kill('SIGTERM')
      const [code] = server.exitCode === null ? await once(server, 'exit') : [server.exitCode]
      expect(code).toBe(0)
    }
  }, 60_000)

  it('what the README and the guides show is type-checked', () => {
    const guides = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
    const texts = ['README.md', ...guides.map((name) => `docs/${name}`)]
    const blocks = texts.flatMap((name) => [
      ...readFileSync(join(root, name), 'utf8').matchAll(/^```(tsx?)\n(.*?)^```/gms),
    ])
    const whole = blocks.filter(([, , code]) => code?.startsWith('import') && !/^session:/m.test(code))
    expect(whole.length).toBeGreaterThan(3)
    for (const [index, [, extension, code]] of whole.entries()) {
      const name = code?.includes('defineConfig(') ? 'coatcheck.config.mts' : `part${index}.${extension}`
      write(`../readme/${name}`, code ?? '')
    }
    const modules = join(work, 'readme/node_modules')
    mkdirSync(modules)
    for (const name of ['coatcheck', 'hono']) symlinkSync(join(app, 'node_modules', name), join(modules, name))
    for (const name of ['react', '@types', 'express', 'fastify'])
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
    write('../readme/package.json', JSON.stringify({ type: 'module' }))
    write('../readme/tsconfig.json', readmeTsconfig)
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', join(work, 'readme')], app)
  })

  it('what the guard gives has types that a module with declarations can export', () => {
    const modules = join(work, 'declared/node_modules')
    write('../declared/guard.mts', exported)
    write('../declared/package.json', JSON.stringify({ type: 'module' }))
    const options = { ...compilerOptions, types: ['node'], noEmit: false, declaration: true, outDir: 'out' }
    write('../declared/tsconfig.json', JSON.stringify({ compilerOptions: options, files: ['guard.mts'] }))
    mkdirSync(modules)
    for (const name of ['coatcheck', 'hono']) symlinkSync(join(app, 'node_modules', name), join(modules, name))
    for (const name of ['@types', 'express', 'fastify'])
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', join(work, 'declared')], app)
  })

  it('a mistake in the types of a configuration is found by the type checker', () => {
    write('wrong.mts', "import { defineConfig } from 'coatcheck'\nexport default defineConfig({ baseUrl: 7 })\n")
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/typescript/bin/tsc'),
        '--ignoreConfig',
        '--noEmit',
        '--module',
        'nodenext',
        '--skipLibCheck',
        'wrong.mts',
      ],
      { cwd: app, encoding: 'utf8' },
    )
    rmSync(join(app, 'wrong.mts'))
    expect(status).not.toBe(0)
    expect(stdout).toContain('wrong.mts(2,')
    expect(stdout).not.toContain('TS2307')
  })
})

/** As a user would write it: with types, from the environment. */
const config = (port: number) => `import { cookieStore, defineConfig } from 'coatcheck'
import type { RouteConfig } from 'coatcheck'

const orders: RouteConfig = {
  path: '/api/orders/*',
  upstream: 'http://127.0.0.1:9/v1',
  auth: 'session',
  methods: ['GET', 'HEAD', 'POST'],
}

export default defineConfig((env) => ({
  baseUrl: 'http://localhost:${port}',
  provider: { issuer: 'http://127.0.0.1:9', clientId: 'app', clientSecret: env.CLIENT_SECRET },
  session: { secrets: [env.SESSION_SECRET], store: cookieStore() },
  spa: { dir: 'dist' },
  routes: [orders],
}))
`

/** An API behind it, with the guard. */
const api = `import { Hono } from 'hono'
import { allow, assertGuarded, type GuardedEnv, honoGuard, jwtGuard, requireScopes } from 'coatcheck/resource-server'

const app = new Hono<GuardedEnv>()
app.use(honoGuard(jwtGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })))
app.get('/orders', allow(requireScopes('orders:read')), (c) => c.json({ for: c.var.access.sub }))
export default assertGuarded(app)
`

/** What applications keep in a module of its own. */
const exported = `import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import * as guards from 'coatcheck/resource-server'

export const guard = guards.jwtGuard({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })
export const verifier = guards.accessTokenVerifier({ issuer: 'https://login.example.com', audience: 'https://api.example.com' })
export const hono = new Hono().use(guards.honoGuard(guard))
export const mayRead = guards.allow(guards.requireScopes('orders:read'))
export const app = express()
export const allow = guards.expressGuard(app, guard)
export const first = allow(guards.anyCaller())
export const last = guards.expressErrors(guard)
export const fastify = Fastify()
export const allowFastify = guards.fastifyGuard(fastify, guard)
export const route = allowFastify(guards.anyCaller())
export const refused = guards.fastifyErrors(guard)
export const handler = guards.guarded(guard, [guards.anyCaller()], () => new Response())
export const ownOrder = guards.guardedObject((id: string) => ({ id, placedBy: 'ada' }), guards.ownerOf('placedBy'))
`

/** Strict, and nothing of the package is spared. */
const compilerOptions = {
  target: 'es2024',
  module: 'nodenext',
  lib: ['es2024', 'dom', 'dom.iterable', 'dom.asynciterable'],
  types: [],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
  noEmit: true,
}
const tsconfig = JSON.stringify({ compilerOptions, files: ['coatcheck.config.mts', 'api.mts'] })
const readmeTsconfig = JSON.stringify({
  compilerOptions: {
    ...compilerOptions,
    types: ['node'],
    jsx: 'react-jsx',
    skipLibCheck: true,
    allowImportingTsExtensions: true,
  },
  include: ['*'],
})

function write(name: string, text: string): void {
  const path = join(app, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

function bin(name: string, folder = root): string {
  return join(folder, 'node_modules', '.bin', name)
}

/** Gives what it printed; throws with all it said if it fails. */
function run(command: string, words: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, words, { cwd, encoding: 'utf8', timeout: 280_000 })
  if (status === 0) return stdout
  throw new Error(`${command} ${words.join(' ')} (${error?.message ?? status})\n${stdout}\n${stderr}`)
}

function said(server: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let all = ''
    server.stderr?.setEncoding('utf8').on('data', (part: string) => {
      all += part
      if (all.includes(text)) resolve()
    })
    server.once('exit', () => reject(new Error(`ended without saying ${text}:\n${all}`)))
  })
}
