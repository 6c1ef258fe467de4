/** docs/security.md and docs/practices.md say which test shows what: the files are there, and hold what is named. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const textOf = (path: string) => readFileSync(new URL(path, root), 'utf8')
const exists = (path: string) => existsSync(new URL(path, root))

/** `file`: what it is called; and more of it. All on one line. */
function referencesIn(text: string): (readonly [file: string, name: string])[] {
  return [...text.matchAll(/`(test\/[\w./-]+\.ts)`: ([^`|\n]+)/g)].flatMap(([, file = '', names = '']) =>
    names
      .split(';')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => [file, name] as const),
  )
}

const references = referencesIn(textOf('docs/security.md'))

/**
 * Titles of a file's tests and of what they stand in, as they are written: the first argument of `it`, `test` and
 * `describe`, or of what their `each` gives. What is skipped shows nothing, and takes what stands in it along: so a file
 * that skips anything has no title at all.
 */
function titlesOf(text: string): string[] {
  if (/\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|todo|only|fails)\b/.test(text)) return []
  const title =
    /(?:\b(?:it|test|describe)(?:\.(?!each\b)\w+)*|\))\(\s*(?:'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|[^`\\])*)`),/g
  return [...text.matchAll(title)].map(([, one, two, three]) => (one ?? two ?? three ?? '').replaceAll(/\\(.)/g, '$1'))
}

describe('the titles of a file', () => {
  const written = "describe('a', () => {\n  it('b', () => {})\n  it.each([1])('c %s', () => {})\n"

  it('are those of its tests and groups', () => {
    expect(titlesOf(written)).toEqual(['a', 'b', 'c %s'])
    expect(titlesOf(`${written}it.concurrent("d", () => {})`)).toContain('d')
  })

  it.each([
    "it.skip('b', () => {})",
    "it.skip.each([1])('c %s', () => {})",
    "test.concurrent.skip('b', () => {})",
    "it.todo('b')",
    "describe.skip('a', () => {})",
    "describe.skip.each([1])('a', () => {})",
    "it.only('b', () => {})",
    "it.fails('b', () => {})",
  ])('are none where a test does not run: %s', (skipped) => {
    expect(titlesOf(`${written}${skipped}`)).toEqual([])
  })
})

describe('docs/security.md', () => {
  it('names a test for each attack', () => {
    const rows = textOf('docs/security.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !/^\| (?:attack|-)/.test(line))
    expect(rows.length).toBeGreaterThan(40)
    for (const row of rows) expect(row).toMatch(/`test\/[\w./-]+\.ts`: /)
    expect(references.length).toBeGreaterThanOrEqual(rows.length)
  })

  it.each(references)('%s has: %s', (file, name) => {
    expect(exists(file)).toBe(true)
    expect(titlesOf(textOf(file)).filter((title) => title.includes(name))).not.toEqual([])
  })

  it('names every file of attacks', () => {
    const named = new Set(references.map(([file]) => file))
    const files = readdirSync(new URL('test/security/', root)).filter((name) => name.endsWith('.test.ts'))
    const others = ['documented.test.ts', 'login-error.property.test.ts']
    expect(files.filter((name) => !named.has(`test/security/${name}`) && !others.includes(name))).toEqual([])
  })
})

describe('docs/practices.md', () => {
  const practices = textOf('docs/practices.md').split(/^## /m).slice(1)

  it('names a test for each of the fifteen', () => {
    expect(practices.map((practice) => /^API-\d+/.exec(practice)?.[0])).toEqual(
      Array.from({ length: 15 }, (_, index) => `API-${index + 1}`),
    )
    expect(practices.filter((practice) => referencesIn(practice).length === 0)).toEqual([])
  })

  it.each(practices.flatMap(referencesIn))('%s has: %s', (file, name) => {
    expect(exists(file)).toBe(true)
    expect(titlesOf(textOf(file)).filter((title) => title.includes(name))).not.toEqual([])
  })
})

/** As GitHub makes them of headings; what looks like one within an example is none. */
function anchorsOf(page: string): string[] {
  const headings = textOf(page)
    .replaceAll(/^```.*?^```/gms, '')
    .matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  )
}

const pages = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`),
]

describe.each(pages.filter((page) => page.endsWith('.md') && exists(page)))('a link of %s', (page) => {
  it('leads to a page that is there, and to a heading of it', () => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
    const dead = links.filter(([, link, anchor]) => {
      const target = link === '' ? page : new URL(link ?? '', new URL(page, 'file:///')).pathname.slice(1)
      return !exists(target) || (anchor !== undefined && !anchorsOf(target).includes(anchor))
    })
    expect(dead.map(([link]) => link)).toEqual([])
  })
})

describe.each(['docs/security.md', 'docs/practices.md', 'SECURITY.md'].filter(exists))('%s', (page) => {
  it('names no file that is not there', () => {
    const paths = [...textOf(page).matchAll(/`((?:test|src|docs|spa-example)\/[\w./-]+\.\w+)`/g)].map(
      ([, path]) => path,
    )
    expect(paths.filter((path) => path === undefined || !exists(path))).toEqual([])
  })
})
