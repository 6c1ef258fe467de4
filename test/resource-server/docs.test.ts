/** What docs/resource-server.md and the comments say is true: the examples are type-checked, every public name has one. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'src/resource-server')
const work = mkdtempSync(join(tmpdir(), 'coatcheck-docs-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))

const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
const index = readFileSync(join(folder, 'index.ts'), 'utf8')
const publicNames = [...index.matchAll(/\{([^}]*)\}/g)].flatMap(([, names = '']) =>
  names.split(',').flatMap((name) => name.replace('type ', '').trim() || []),
)

/** The comment right before a declaration. */
function commentOf(name: string): string {
  const declaration = new RegExp(
    `/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n(?://.*\\n)?export (?:async )?(?:function|class|interface|type|const) ${name}\\b`,
  )
  for (const source of sources) {
    const match = declaration.exec(source)
    if (match) return match[1] ?? ''
  }
  return ''
}

describe('the documentation of the guard', () => {
  it('has an example for every public name, or says where it is', () => {
    expect(publicNames.length).toBeGreaterThan(40)
    expect(publicNames.filter((name) => !/@example|@see/.test(commentOf(name)))).toEqual([])
  })

  it('has examples that compile', () => {
    const text = readFileSync(join(root, 'docs/resource-server.md'), 'utf8')
    const blocks = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code)
    expect(blocks.length).toBeGreaterThan(6)
    for (const [place, code] of blocks.entries()) writeFileSync(join(work, `example-${place}.ts`), code)
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
