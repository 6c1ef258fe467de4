/** Where the app's own pages come from. */
import * as v from 'valibot'
import { readCsp } from './csp.ts'
import { anything, optional, text } from './fields.ts'
import { canonicalPathMistake } from './paths.ts'
import { type Field, type Issues, join, mistake, readObject } from './read-object.ts'
import { loopbackOrigin, serverUrl } from './urls.ts'
import type { SpaConfig } from './user-config.ts'

const fields = {
  dir: optional(text("write the folder that was built, such as 'dist'")),
  origin: optional(filesUrl()),
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
  const said = Object.entries({ dir: complete.dir, origin: complete.origin, proxy: complete.proxy }).filter(
    ([, value]) => value !== undefined,
  )
  const [name, value = ''] = said[0] ?? []
  if (name === undefined || said.length > 1) {
    const names = said.map(([one]) => one).join(' and ')
    issues.push({
      path,
      problem: name === undefined ? 'says none of dir, origin and proxy' : `says ${names} at once`,
      cure: "write { dir: 'dist' }, { origin: 'https://cdn.example.com/app/' }, or { proxy: 'http://localhost:5173' } in development",
    })
    return undefined
  }
  if (name !== 'dir' && new URL(value).origin === ownOrigin) {
    issues.push({
      path: join(path, name),
      problem: 'is this server itself',
      cure: 'write the address of the other server',
    })
    return undefined
  }
  return { [name]: value, ...withCsp } as SpaConfig
}

/** Gives the URL without a slash at its end. */
function filesUrl(): Field<string> {
  const example = 'https://cdn.example.com/app/'
  return v.pipe(
    serverUrl({ example }),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      // As it was written: the URL parser has collapsed what is refused here.
      const found = canonicalPathMistake(dataset.value.replace(/^https?:\/\/[^/]*/i, ''))
      if (!found) return dataset.value.replace(/\/$/, '')
      addIssue({ message: mistake(found.problem, found.cure) })
      return NEVER
    }),
  )
}
