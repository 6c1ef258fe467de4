import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/**
 * The names that stand in a document as code: alone, in a path (`tls.ca`, `.key`), in an object of settings
 * (`{ allow, deny }`), or as a hook with what it is told (`onLogin({ claims })`). A word of the prose is none of them.
 */
function namesIn(text: string): string[] {
  const spans = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? '')
  return spans
    .filter((span) => /^[\w.]+$|^(?:\w+\()?\{ \w+(?:, \w+)* \}\)?$|^\w+\(\w+\)$/.test(span))
    .flatMap((span) => span.match(/\w+/g) ?? [])
}

it('a setting is named where it stands as code', () => {
  const text =
    'The `alone` word, `a.path`, `.end`, `{ one, two }` and `hook({ told })`; `not this: prose`\n```ts\nnor: `that`\n```'
  expect(namesIn(text)).toEqual(['alone', 'a', 'path', 'end', 'one', 'two', 'hook', 'told'])
})

it('docs/configuration.md names every setting that there is', () => {
  const types = read('src/config/user-config.ts') + read('src/config/user-routes.ts')
  const settings = new Set([...types.matchAll(/^ {2,4}(\w+)(\??:|\?\()/gm)].map(([, name]) => name ?? ''))
  expect(settings.size).toBeGreaterThan(60)
  // What has a page of its own, and is linked from there: its tables.
  const others = ['gateway', 'forward-auth', 'routes', 'tokens'].map((name) => read(`docs/${name}.md`))
  const rows = others.flatMap((page) => page.split('\n').filter((line) => line.startsWith('|')))
  const named = new Set([read('docs/configuration.md'), ...rows].flatMap(namesIn))
  expect([...settings].filter((name) => !named.has(name)).join(' ')).toBe('')
})
