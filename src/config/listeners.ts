/** What this server listens on. */
import * as v from 'valibot'
import { optional, withDefault } from './fields.ts'
import { type Field, type Issues, join, mistake, readObject, wanted } from './read-object.ts'
import type { Address, Config } from './types.ts'
import { isLoopbackHost } from './urls.ts'

export function readListeners(
  input: unknown,
  path: string,
  issues: Issues,
  baseUrl: URL | undefined,
): Config['listeners'] | undefined {
  const fields = {
    public: withDefault(address(), defaultAddress(baseUrl)),
    internal: optional(inside()),
    management: optional(inside()),
  }
  const { complete } = readObject(fields, input ?? {}, path, issues)
  if (!complete) return undefined
  const before = issues.length
  const { public: open, internal, management } = complete
  const taken = new Map([[open.port, 'public']])
  for (const [name, listener] of Object.entries({ internal, management })) {
    if (listener === undefined || listener.port === 0) continue
    const other = taken.get(listener.port)
    taken.set(listener.port, name)
    // On another address too: a port that is reached by two names is easily opened by mistake.
    if (other) issues.push({ path: join(path, name), problem: `has the port of ${other}`, cure: 'take another port' })
  }
  return issues.length === before ? { public: open, internal, management } : undefined
}

/** What must not be reached from outside is on this machine only, unless a host says otherwise. */
function inside(): Field<Address> {
  return v.pipe(
    address(),
    v.transform(({ host, port }) => ({ host: host ?? '127.0.0.1', port })),
  )
}

/** On a development machine the address that browsers use, so that nobody else on the network reaches it. */
function defaultAddress(baseUrl: URL | undefined): Address {
  if (!baseUrl || !isLoopbackHost(baseUrl.hostname)) return { host: undefined, port: 3000 }
  const defaultPort = baseUrl.protocol === 'https:' ? 443 : 80
  const host = baseUrl.hostname.endsWith('localhost') ? '127.0.0.1' : baseUrl.hostname.replace(/^\[|\]$/g, '')
  return { host, port: baseUrl.port ? Number(baseUrl.port) : defaultPort }
}

function address(): Field<Address> {
  const cure = "write a port such as 3000, or host:port such as '127.0.0.1:3000'"
  return v.pipe(
    v.union([v.number(), v.string()], wanted('a port', cure)),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const parsed = parseAddress(String(dataset.value))
      if (parsed) return parsed
      addIssue({ message: mistake('is neither a port nor host:port', cure) })
      return NEVER
    }),
  )
}

function parseAddress(value: string): Address | undefined {
  const [, bracketed, host = bracketed, digits] =
    /^(?:(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):)?(\d{1,5})$/i.exec(value) ?? []
  const port = Number(digits)
  return digits !== undefined && port <= 65_535 ? { host, port } : undefined
}
