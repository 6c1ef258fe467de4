/** Real files, loaded by Node itself in a process of its own: what the test runner makes of them is not the question. */
import { afterEach, describe, expect, it } from 'vitest'
import { type Folder, folder, run } from './run-cli.ts'

const secret = 'pXkEQb7tXoRk3wkLxZC6sH8kIVbHhXbJ7sYvYhJ2m0U'
const body = `{
  baseUrl: 'http://localhost:3000',
  provider: { issuer: 'http://127.0.0.1:4000', clientId: 'app', clientSecret: 'a-client-secret' },
  session: { secrets: ['${secret}'] },
  routes: [],
}`
const right = `export default ${body}\n`

let files: Folder | undefined

afterEach(() => files?.remove())

async function check(content: Record<string, string>, words: string[] = [], env: Record<string, string> = {}) {
  files = folder(content)
  return run(['check', ...words], { directory: files.path, env })
}

describe('the configuration file', () => {
  it.each(['mts', 'ts', 'mjs', 'js'])('is found as coatcheck.config.%s', async (extension) => {
    const { code, out, err } = await check({
      [`coatcheck.config.${extension}`]: right,
      'package.json': '{"type":"module"}',
    })
    expect(err).toBe('')
    expect(out).toContain('http://localhost:3000')
    expect(code).toBe(0)
  })

  it('may be named, be a function, hold types, and import other files', async () => {
    const { code, out } = await check(
      {
        'deploy/mine.mts': `import type { Routes } from './types.ts'\nimport { routes } from './routes.ts'
          export default (env: Record<string, string>) => ({ ...${body}, baseUrl: env.BASE_URL, routes: routes satisfies Routes })`,
        'deploy/types.ts': 'export type Routes = unknown[]',
        'deploy/routes.ts':
          "export const routes = [{ path: '/api/*', upstream: 'https://a.internal', auth: 'session' }]",
      },
      ['--config', 'deploy/mine.mts'],
      { BASE_URL: 'https://app.example.com' },
    )
    expect(out).toMatch(
      /\/api\/\*\s+GET HEAD\s+session\s+public\s+fetch\s+-\s+the session's\s+https:\/\/a\.internal\/\*/,
    )
    expect(code).toBe(0)
  })

  it('may be CommonJS, where its package is', async () => {
    const { code } = await check({
      'coatcheck.config.js': `module.exports = ${body}`,
      'package.json': '{"type":"commonjs"}',
    })
    expect(code).toBe(0)
  })
})

describe('what keeps a configuration from loading is answered with its cure', () => {
  const cases: Array<[name: string, files: Record<string, string>, said: string[]]> = table([
    ['no file', {}, 'was not found', 'coatcheck.config.mts', '--config'],
    [
      'an import without an extension',
      { 'coatcheck.config.mts': `import { a } from './lib/other'\n${right}`, 'lib/other.ts': 'export const a = 1' },
      './lib/other (in coatcheck.config.mts)',
      "write './lib/other.ts'",
    ],
    [
      'an import of .js where there is .ts',
      { 'coatcheck.config.mts': `import { a } from './other.js'\n${right}`, 'other.ts': 'export const a = 1' },
      "write './other.ts'",
    ],
    [
      'an import without an extension in an imported file',
      { 'coatcheck.config.mts': `import './one.ts'\n${right}`, 'one.ts': "import './two'\nexport {}", 'two.ts': '' },
      './two (in one.ts)',
      "write './two.ts'",
    ],
    [
      'an import of a folder',
      { 'coatcheck.config.mts': `import { a } from './lib'\n${right}`, 'lib/index.ts': 'export const a = 1' },
      "write './lib/index.ts'",
    ],
    [
      'an import of nothing',
      { 'coatcheck.config.mts': `import './nothing.ts'\n${right}` },
      './nothing.ts',
      'does not exist',
    ],
    [
      'a package that is not installed',
      { 'coatcheck.config.mts': `import 'no-such-package'\n${right}` },
      'npm install no-such-package',
    ],
    [
      'a type imported without type',
      {
        'coatcheck.config.mts': `import { Foo } from './other.ts'\nconst a: Foo = 1\n${right}`,
        'other.ts': 'export type Foo = number',
      },
      'coatcheck.config.mts:1',
      'write import type { Foo }',
    ],
    [
      'an enum',
      { 'coatcheck.config.mts': `enum Kind { A }\n${right}` },
      'coatcheck.config.mts:1',
      'enum is not supported',
      'const object',
    ],
    [
      'a namespace',
      { 'coatcheck.config.mts': `namespace A { export const a = 1 }\n${right}` },
      'TypeScript that Node does not run',
    ],
    [
      'a syntax error in TypeScript',
      { 'coatcheck.config.mts': `${right}const a = {,}` },
      'coatcheck.config.mts:7',
      'cannot be parsed',
    ],
    [
      'a syntax error in JavaScript',
      { 'coatcheck.config.mjs': `${right}const a = {,}` },
      'coatcheck.config.mjs:7',
      'cannot be parsed',
    ],
    [
      'a .ts file in a CommonJS package',
      { 'coatcheck.config.ts': right, 'package.json': '{"type":"commonjs"}' },
      'taken for CommonJS',
      'rename it to coatcheck.config.mts, or put "type": "module" into package.json',
    ],
    [
      'a .js file in a CommonJS package',
      { 'coatcheck.config.js': `import 'node:fs'\n${right}`, 'package.json': '{"type":"commonjs"}' },
      'rename it to coatcheck.config.mjs',
    ],
    [
      'CommonJS in a module',
      { 'coatcheck.config.mjs': `module.exports = ${body}` },
      'written as CommonJS',
      'export default',
    ],
    [
      'JSON imported without saying so',
      { 'coatcheck.config.mts': `import a from './a.json'\n${right}`, 'a.json': '{}' },
      "with { type: 'json' }",
    ],
    [
      'no default export',
      { 'coatcheck.config.mts': `export const config = ${body}` },
      'has no default export',
      'defineConfig',
    ],
    [
      'a throw',
      { 'coatcheck.config.mts': `\nthrow new RangeError('not today')\n` },
      'coatcheck.config.mts:2',
      'threw RangeError: not today',
    ],
    ['a throw of anything', { 'coatcheck.config.mts': 'throw 7' }, 'not an Error'],
    [
      'a throw after a wait',
      { 'coatcheck.config.mts': "import { readFile } from 'node:fs/promises'\nawait readFile('/nowhere')" },
      'coatcheck.config.mts:2 threw Error: ENOENT',
    ],
    [
      'a text that is no JSON',
      { 'coatcheck.config.mts': "\nJSON.parse('{')" },
      'coatcheck.config.mts:2 threw SyntaxError: Expected',
    ],
    [
      'a throw of its function',
      {
        'coatcheck.config.mts': 'export default (env) => {\n  throw new RangeError("no " + env.REGION + "\\nhere")\n}',
      },
      'coatcheck.config.mts:2 threw RangeError: no undefined, when its function was called',
      'set REGION, or mend the function',
    ],
    [
      'a throw of what its function calls',
      {
        'coatcheck.config.mts': `import { routes } from './lib/routes.ts'\nexport default () => ({ routes: routes() })`,
        'lib/routes.ts': "import { readFileSync } from 'node:fs'\nexport const routes = () => readFileSync('/nowhere')",
      },
      'lib/routes.ts:2 threw Error: ENOENT',
    ],
    [
      'a throw of anything, of its function',
      { 'coatcheck.config.mts': "export default () => {\n  throw 'x'\n}" },
      'coatcheck.config.mts threw something that is not an Error, when its function was called',
    ],
    [
      'nothing that is a configuration',
      { 'coatcheck.config.mts': 'export default 7' },
      'has to be an object, and is a number',
    ],
    ['a promise', { 'coatcheck.config.mts': `export default async () => (${body})` }, 'asynchronous function'],
  ])

  it.each(cases)('%s', async (_name, content, said) => {
    const { code, out, err } = await check(content)
    for (const text of said) expect(err).toContain(text)
    expect(err).not.toMatch(/node:internal|^ {4}at /m)
    expect(out).toBe('')
    expect(code).toBe(1)
  })

  it('a file that is not there', async () => {
    const { code, err } = await check({}, ['--config', 'gone.mts'])
    expect(err).toContain('gone.mts does not exist')
    expect(code).toBe(1)
  })

  it('a file of another kind', async () => {
    const { code, err } = await check({ 'config.json': '{}' }, ['--config', 'config.json'])
    expect(err).toContain('write it as coatcheck.config.mts')
    expect(code).toBe(1)
  })

  it('shows no secret of the environment, nor the line that broke', async () => {
    const { err } = await check(
      {
        'coatcheck.config.mts': `const a = 'written-in-secret'; throw new Error('bad ' + process.env.TOKEN + a.length)`,
      },
      [],
      { TOKEN: 'token-in-environment' },
    )
    expect(err).toContain('threw Error: bad …17')
    expect(err).not.toContain('written-in-secret')
    const called = await check(
      { 'coatcheck.config.mts': 'export default (env) => { throw new Error("bad " + env.TOKEN) }' },
      [],
      { TOKEN: 'token-in-environment' },
    )
    expect(called.err).toContain('coatcheck.config.mts:1 threw Error: bad …, when its function was called')
  })
})

/** So that a row is the name, the files, and what is said of them. */
function table(rows: ReadonlyArray<readonly [name: string, files: Record<string, string>, ...said: string[]]>) {
  return rows.map(([name, content, ...said]): [string, Record<string, string>, string[]] => [name, content, said])
}
