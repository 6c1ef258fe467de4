/** How long sessions live, and what seals them. */
import * as v from 'valibot'
import type { Coordinator, SessionStore } from '../coordinator.ts'
import type { ConfigIssue } from './config-error.ts'
import { duration, list, optional, text, wholeNumber, withDefault } from './fields.ts'
import { type Field, type Issues, isObject, join, mistake, readObject, wanted } from './read-object.ts'
import { sessionSecret } from './secrets.ts'
import type { Config } from './types.ts'

const minute = 60
const day = 86_400

const defaultClaims: readonly string[] = ['sub', 'name', 'preferred_username', 'email', 'picture']

const fields = {
  secrets: list(sessionSecret(), 'take what `coatcheck keygen` prints', 1),
  idleTimeout: withDefault(duration(1, 90 * day), 30 * minute),
  // Browsers keep a cookie for 400 days at most (RFC 6265bis §5.5).
  absoluteTimeout: withDefault(duration(1, 400 * day), day / 2),
  claims: withDefault(list(text('write the name of a claim, such as email'), 'write a list of claims'), defaultClaims),
  maxSessions: optional(wholeNumber(1, 1_000_000)),
  store: optional(store()),
}

export function readSession(input: unknown, path: string, issues: Issues): Config['session'] | undefined {
  const { partial, complete } = readObject(fields, input, path, issues)
  const { idleTimeout, absoluteTimeout } = partial
  if (idleTimeout !== undefined && absoluteTimeout !== undefined && idleTimeout > absoluteTimeout) {
    issues.push({
      path: join(path, 'idleTimeout'),
      problem: 'is longer than absoluteTimeout, so it would never come to pass',
      cure: 'make it shorter, or absoluteTimeout longer',
    })
    return undefined
  }
  if (partial.maxSessions !== undefined && (partial.store === undefined || partial.store.cookie === 'session')) {
    issues.push({
      path: join(path, 'maxSessions'),
      problem: 'needs a store that knows all sessions of a person, and they are in cookies',
      cure: 'set session.store, such as sqliteStore({ file }), or remove maxSessions',
    })
    return undefined
  }
  return (
    complete && {
      secrets: complete.secrets,
      idleSeconds: complete.idleTimeout,
      absoluteSeconds: complete.absoluteTimeout,
      claims: complete.claims,
      maxSessions: complete.maxSessions,
      store: complete.store,
    }
  )
}

/** One process cannot honour what another was told (protocol.md E5). */
export function coordinatorMistake(
  backChannelLogout: boolean | undefined,
  coordinator: Coordinator | undefined,
): ConfigIssue | undefined {
  if (!backChannelLogout || !coordinator?.isInProcess) return undefined
  return {
    path: 'backChannelLogout',
    problem: 'needs a coordinator that all processes share and that outlives them, and there is memory',
    cure: 'set session.store, such as cookieStore({ coordinator: sqliteCoordinator({ file }) })',
  }
}

/** Made by `cookieStore()` and its kin; what is in it is their business. */
function store(): Field<SessionStore> {
  const cure = 'write cookieStore(), or another store such as sqliteStore({ file })'
  return v.custom<SessionStore>(
    (value) =>
      isObject(value) &&
      (value.cookie === 'session' || value.cookie === 'ticket') &&
      isObject(value.coordinator) &&
      typeof value.coordinator.commit === 'function',
    (issue) =>
      typeof issue.input === 'object' && issue.input !== null
        ? mistake('is not a session store', cure)
        : wanted('a session store', cure)(issue),
  )
}
