import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

it('docs/configuration.md names every setting that there is', () => {
  const types = read('src/config/user-config.ts') + read('src/config/user-routes.ts')
  const settings = new Set([...types.matchAll(/^ {2,4}(\w+)(\??:|\?\()/gm)].map(([, name]) => name ?? ''))
  expect(settings.size).toBeGreaterThan(60)
  // What has a page of its own, and is linked from there.
  const text = ['configuration', 'gateway', 'forward-auth', 'routes', 'tokens']
    .map((name) => read(`docs/${name}.md`))
    .join()
  expect([...settings].filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([])
})
