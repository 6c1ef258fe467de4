/** What docs/resource-server.md and the comments say is true: the examples are type-checked, every public name has one. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { refusals } from '../../src/resource-server/guard-error.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'src/resource-server')
const work = mkdtempSync(join(tmpdir(), 'coatcheck-docs-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const sources = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')] as const)
const index = readFileSync(join(folder, 'index.ts'), 'utf8')
const publicNames = [...index.matchAll(/\{([^}]*)\}/g)].flatMap(([, names = '']) =>
  names.split(',').flatMap((name) => name.replace('type ', '').trim() || []),
)

function isType(name: string): boolean {
  return sources.some(([, source]) => new RegExp(`export (?:type|interface) ${name}\\b`).test(source))
}

/** The comment right before a declaration. */
function commentOf(name: string): string {
  const declaration = new RegExp(
    `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n(?://.*\\n)?export (?:async )?(?:function|class|interface|type|const) ${name}\\b`,
  )
  for (const [, source] of sources) {
    const match = declaration.exec(source)
    if (match) return match[1] ?? ''
  }
  return ''
}

/** The options that an interface has itself, and the number that its comment gives as the default. */
function optionsOf(name: string, prefix = ''): [name: string, usual: string | undefined][] {
  for (const [, source] of sources) {
    const [, body] = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)^\\}`, 'm').exec(source) ?? []
    if (body === undefined) continue
    return body.split(/^ {2}readonly /m).flatMap((part, index, parts) => {
      if (index === 0) return []
      const comment = parts[index - 1]?.split('\n').slice(1).join('\n') ?? ''
      return [
        [prefix + (/^\w+/.exec(part)?.[0] ?? ''), /Default (\d+)/.exec(index === 1 ? (parts[0] ?? '') : comment)?.[1]],
      ]
    })
  }
  throw new Error(`There is no interface ${name}`)
}

/** The examples of the comments, by the place where they are. */
function commentExamples(): (readonly [place: string, code: string])[] {
  return sources.flatMap(([file, text]) =>
    [...text.matchAll(/@example\n *\* ```ts\n([\s\S]*?)\n *\* ```/g)].map(([, lines = ''], index) => {
      return [`${file.replace('.ts', '')}-${index}`, lines.replace(/^ *\* ?/gm, '')] as const
    }),
  )
}

/** An application's own names, which the examples of the comments take for granted. */
const surroundings = `
type Guard = import('coatcheck/resource-server').Guard
type Handler = import('hono').Handler
interface Order { id: string; placedBy: string; tenant: string }
interface Staff { tenant: string }
interface TlsRequest { socket: { getPeerCertificate(): { raw: Uint8Array } } }
declare const guard: Guard, issuer: string, audience: string, token: string, request: Request
declare const secret: Uint8Array<ArrayBuffer>
declare const ordersOf: (sub: string) => string[]
declare const database: { findOrder(id: string): Order | undefined }
declare const redis: { set(key: string, value: string, options: { NX: true; PXAT: number }): Promise<string | null> }
declare const listOrders: Handler, showOrder: Handler, listPrices: Handler, startRoast: Handler, leave: Handler
declare const expect: (value: unknown) => { toEqual(other: unknown): void }
`

/** The library, and the framework that the example is for. */
const frameworks = {
  express: ['declare const app: express.Express', 'declare const allow: ReturnType<typeof expressGuard>'],
  fastify: ['declare const app: FastifyInstance', 'declare const allow: ReturnType<typeof fastifyGuard>'],
  hono: ['declare const app: Hono', "import { allow } from 'coatcheck/resource-server'"],
}

function withImports(place: string, code: string): string {
  const framework = /^(?:express|callers)/.test(place) ? 'express' : place.startsWith('fastify') ? 'fastify' : 'hono'
  const isDeclared = (name: string) => new RegExp(`(?:const|interface) ${name}\\b`).test(code)
  const [app, allow] = frameworks[framework]
  const names = publicNames.filter((name) => name !== 'allow')
  return [
    "import express from 'express'",
    "import Fastify, { type FastifyInstance } from 'fastify'",
    "import { type Context, Hono } from 'hono'",
    `import { ${names.map((name) => (isType(name) ? `type ${name}` : name)).join(', ')} } from 'coatcheck/resource-server'`,
    isDeclared('app') ? '' : app,
    isDeclared('allow') ? '' : allow,
    code,
  ].join('\n')
}

describe('the documentation of the guard', () => {
  const page = readFileSync(join(root, 'docs/resource-server.md'), 'utf8')

  it('has an example for every public name', () => {
    expect(publicNames.length).toBeGreaterThan(40)
    expect(publicNames.filter((name) => !/@example/.test(commentOf(name)))).toEqual([])
  })

  it('has a line for every public name on the page, and none for another', () => {
    const [, table = ''] = /## Every name\n([\s\S]*?)(?:\n## |$)/.exec(page) ?? []
    const named = [...table.matchAll(/^\| ([^|]+)\|/gm)].flatMap(([, cell = '']) => {
      return [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    })
    expect(named.toSorted()).toEqual(publicNames.toSorted())
  })

  it('has the ways to a certificate that Workers, Deno and Bun are tried with', () => {
    const source = readFileSync(join(root, 'test/resource-server/client-certificates.ts'), 'utf8')
    const ways = source.match(/^export function .*\n(?: .*\n)*\}$/gm) ?? []
    expect(ways).toHaveLength(2)
    for (const way of ways) expect(page).toContain(`${way}\n\`\`\``)
  })

  it('has a line for every option, with its default where that is a number', () => {
    const [, table = ''] = /## Options\n([\s\S]*?)\n## /.exec(page) ?? []
    const rows = [...table.matchAll(/^\| (`[^|]+?) *\|[^|]+\| *([^|]*?) *\|/gm)]
    const named = new Map(
      rows.flatMap(([, names = '', usual = '']) =>
        [...names.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => [name, usual] as const),
      ),
    )
    const options = [
      ...optionsOf('AccessTokenOptions'),
      ...optionsOf('JwtGuardOptions'),
      ...optionsOf('AuthorizationServerOptions'),
      ...optionsOf('KeySetOptions', 'keys.'),
      ...optionsOf('DPoPOptions', 'dpop.'),
    ]
    const all = new Map(options.filter(([name]) => name !== 'keys' && name !== 'dpop'))
    expect([...named.keys()].toSorted()).toEqual([...all.keys()].toSorted())
    const numbers = [...all].filter(([, usual]) => usual !== undefined)
    expect(numbers.length).toBeGreaterThan(6)
    expect(numbers.filter(([name, usual]) => named.get(name) !== usual)).toEqual([])
  })

  it('has a line for every code of a refusal, with its status', () => {
    const rows = [...page.matchAll(/^\| (\d{3}) +\| `(\w+)`/gm)].map(([, status, code]) => `${code} ${status}`)
    expect(rows.toSorted()).toEqual(
      Object.entries(refusals)
        .map(([code, [status]]) => `${code} ${status}`)
        .toSorted(),
    )
  })

  it('has examples that compile, those of the comments too', () => {
    const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code)
    const examples = commentExamples()
    expect(blocks.length).toBeGreaterThan(6)
    expect(examples.length).toBeGreaterThanOrEqual(publicNames.length)
    for (const [place, code] of blocks.entries()) writeFileSync(join(work, `page-${place}.ts`), code)
    for (const [place, code] of examples) writeFileSync(join(work, `${place}.ts`), withImports(place, code))
    writeFileSync(join(work, 'surroundings.d.ts'), surroundings)
    symlinkSync(join(root, 'node_modules'), join(work, 'node_modules'))
    writeFileSync(join(work, 'package.json'), '{"type":"module"}')
    const compilerOptions = {
      noEmit: true,
      types: ['node'],
      paths: { 'coatcheck/resource-server': [join(folder, 'index.ts')] },
    }
    writeFileSync(
      join(work, 'tsconfig.json'),
      JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] }),
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', work], { encoding: 'utf8' })
    expect(stdout + stderr).toBe('')
  }, 60_000)
})
