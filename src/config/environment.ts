/** Calls a configuration that is a function of the environment, and notes which variables were read in vain. */
import type { Issues } from './read-object.ts'
import type { ConfigSource } from './user-config.ts'

export interface FromEnvironment {
  /** Undefined if the function threw. */
  readonly input: unknown
  /** Variables that were read and are not set. */
  readonly unset: readonly string[]
}

export function callSource<Env>(source: ConfigSource<Env>, env: Env, issues: Issues): FromEnvironment {
  if (typeof source !== 'function') return { input: source, unset: [] }
  const unset = new Set<string>()
  try {
    const input: unknown = source(watched(env, unset))
    if (!isThenable(input)) return { input, unset: [...unset] }
    // Nobody waits for it: its rejection is this mistake, not an unhandled one.
    input.then(undefined, () => undefined)
    issues.push({
      path: '',
      problem: 'is an asynchronous function',
      cure: 'make it synchronous; await at the top of the file',
    })
  } catch (error) {
    const cure = unset.size > 0 ? `set ${[...unset].join(', ')}, or mend the function` : 'mend the function'
    issues.push({ path: '', problem: `threw ${said(error)}, when its function was called`, cure })
  }
  return { input: undefined, unset: [...unset] }
}

function watched<Env>(env: Env, unset: Set<string>): Env {
  if (typeof env !== 'object' || env === null) return env
  return new Proxy(env, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (value === undefined && typeof name === 'string') unset.add(name)
      return value
    },
  })
}

function said(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : 'something that is not an Error'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
