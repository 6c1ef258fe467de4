/** The lint rule that holds the direction of imports, tried on files that break it. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'coatcheck-imports-'))

beforeAll(() => {
  const config = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'))
  // There is no repository around the files that are tried.
  writeFileSync(join(work, 'biome.json'), JSON.stringify({ ...config, $schema: undefined, vcs: undefined }))
})

// A file of one case would make circles with the next.
afterEach(() => rmSync(join(work, 'src'), { recursive: true, force: true }))
afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('an import against the direction is refused', () => {
  it.each([
    ['src/index.ts', './node/index.ts'],
    ['src/index.ts', './workers/index.ts'],
    ['src/token-handler.ts', './node/serve.ts'],
    ['src/token-handler.ts', './client/index.ts'],
    ['src/errors.ts', './token-handler.ts'],
    ['src/runtime.ts', './session/sessions.ts'],
    ['src/config/resolve.ts', '../session/sessions.ts'],
    ['src/config/resolve.ts', '../oauth/refresh-grant.ts'],
    ['src/config/resolve.ts', '../gateway/match.ts'],
    ['src/config/resolve.ts', '../node/serve.ts'],
    ['src/config/resolve.ts', '../token-handler.ts'],
    ['src/session/sessions.ts', '../oauth/refresh-grant.ts'],
    ['src/session/stores/cookie-store.ts', '../../oauth/refresh-grant.ts'],
    ['src/session/stores/cookie-store.ts', '../../node/serve.ts'],
    ['src/session/sessions.ts', '../endpoints/login.ts'],
    ['src/oauth/refresh-grant.ts', '../session/sessions.ts'],
    ['src/oauth/refresh-grant.ts', '../gateway/proxy.ts'],
    ['src/protection/csrf.ts', '../endpoints/login.ts'],
    ['src/observability/events.ts', '../gateway/proxy.ts'],
    ['src/gateway/proxy.ts', '../token-handler.ts'],
    ['src/gateway/proxy.ts', '../workers/index.ts'],
    ['src/session/sessions.ts', '../fetch-transport.ts'],
    ['src/endpoints/login.ts', '../node/serve.ts'],
    ['src/endpoints/login.ts', '../resource-server/index.ts'],
    ['src/endpoints/login.ts', '../resource-server/access-token.ts'],
    ['src/gateway/proxy.ts', '../resource-server/index.ts'],
    ['src/gateway/proxy.ts', '../resource-server/guard.ts'],
    ['src/oauth/refresh-grant.ts', '../resource-server/index.ts'],
    ['src/session/sessions.ts', '../resource-server/access-token.ts'],
    ['src/client/index.ts', '../errors.ts'],
    ['src/client/index.ts', '../config/types.ts'],
    ['src/resource-server/index.ts', '../errors.ts'],
    ['src/split/index.ts', '../errors.ts'],
    ['src/node/serve.ts', '../workers/index.ts'],
    ['src/node/serve.ts', '../client/index.ts'],
    ['src/workers/index.ts', '../node/serve.ts'],
  ])('%s of %s', (file, target) => {
    const everyForm = [
      `import { a } from '${target}'`,
      `import type { A } from '${target}'`,
      `export * from '${target}'`,
      `console.log(a, await import('${target}'))`,
      'export type B = A',
    ].join('\n')
    expect(lint(file, everyForm).match(/lint\/style\/noRestrictedImports/g)).toHaveLength(4)
  })

  it.each([
    'index',
    'errors',
    'config/a',
    'session/a',
    'oauth/a',
    'protection/a',
    'observability/a',
    'gateway/a',
    'endpoints/a',
    'client/a',
    'resource-server/a',
    'split/a',
    'workers/a',
  ])("src/%s.ts of Node's modules", (file) => {
    // What stands alone may not use them either: it runs in browsers and on Workers.
    for (const target of ['node:fs', 'node:fs/promises']) {
      expect(lint(`src/${file}.ts`, `import * as a from '${target}'\nconsole.log(a)\n`)).toContain(
        'noRestrictedImports',
      )
    }
    expect(lint(`src/${file}.ts`, "import * as a from 'fs'\nconsole.log(a)\n")).toContain('useNodejsImportProtocol')
  })

  it('in a circle', () => {
    write('src/config/one.ts', "import { two } from './two.ts'\nexport const one = () => two\n")
    expect(lint('src/config/two.ts', "import { one } from './one.ts'\nexport const two = () => one\n")).toContain(
      'noImportCycles',
    )
  })
})

describe('an import along the direction is not', () => {
  it.each([
    ['src/node/serve.ts', '../token-handler.ts'],
    ['src/node/serve.ts', 'node:http'],
    ['src/node/cli/run.ts', '../../config/config-error.ts'],
    ['src/workers/index.ts', '../token-handler.ts'],
    ['src/token-handler.ts', './endpoints/login.ts'],
    ['src/endpoints/login.ts', '../session/sessions.ts'],
    ['src/gateway/proxy.ts', '../oauth/refresh-grant.ts'],
    ['src/session/sessions.ts', '../config/types.ts'],
    ['src/session/stores/cookie-store.ts', '../../coordinator.ts'],
    ['src/oauth/refresh-grant.ts', '../errors.ts'],
    ['src/client/react.tsx', './index.ts'],
    ['src/resource-server/index.ts', './guard.ts'],
    // The verification of a token alone is shared: what the gateway takes and what an API takes is decided in one place.
    ['src/gateway/proxy.ts', '../resource-server/access-token.ts'],
    ['src/oauth/refresh-grant.ts', '../resource-server/access-token.ts'],
  ])('%s of %s', (file, target) => {
    expect(lint(file, `import { a } from '${target}'\nconsole.log(a)\n`)).not.toContain('lint/')
  })
})

function write(file: string, text: string): void {
  mkdirSync(dirname(join(work, file)), { recursive: true })
  writeFileSync(join(work, file), text)
}

/** What the linter says of a file with this text; empty if nothing. */
function lint(file: string, text: string): string {
  write(file, text)
  const { stdout, stderr, error } = spawnSync(join(root, 'node_modules/.bin/biome'), ['lint', file], {
    cwd: work,
    encoding: 'utf8',
  })
  if (error) throw error
  expect(stdout + stderr).toContain('Checked 1 file')
  return stderr + stdout
}
