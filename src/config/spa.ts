/** Where the app's own pages come from. */
import { readCsp } from './csp.ts'
import { anything, optional, text } from './fields.ts'
import { type Issues, join, readObject } from './read-object.ts'
import type { SpaConfig } from './types.ts'
import { loopbackOrigin } from './urls.ts'

const fields = {
  dir: optional(text("write the folder that was built, such as 'dist'")),
  proxy: optional(loopbackOrigin('http://localhost:5173')),
  csp: anything(),
}

export function readSpa(
  input: unknown,
  path: string,
  issues: Issues,
  ownOrigin: string | undefined,
): SpaConfig | undefined {
  if (input === undefined) return undefined
  const { partial, complete } = readObject(fields, input, path, issues)
  const csp = partial.csp === undefined ? undefined : readCsp(partial.csp, join(path, 'csp'), issues, ownOrigin)
  const withCsp = csp ? { csp } : {}
  if (!complete) return undefined
  const { dir, proxy } = complete
  if (dir !== undefined && proxy === undefined) return { dir, ...withCsp }
  if (proxy !== undefined && dir === undefined) {
    if (proxy !== ownOrigin) return { proxy, ...withCsp }
    issues.push({
      path: join(path, 'proxy'),
      problem: 'is this server itself',
      cure: 'write the address of the development server',
    })
    return undefined
  }
  issues.push({
    path,
    problem: dir === undefined ? 'says neither dir nor proxy' : 'says both dir and proxy',
    cure: "write { dir: 'dist' }, or { proxy: 'http://localhost:5173' } in development",
  })
  return undefined
}
