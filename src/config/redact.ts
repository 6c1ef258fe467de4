/** Keeps secrets out of what is said about a configuration. */
import type { ConfigIssue } from './config-error.ts'
import type { UserConfig } from './user-config.ts'

/** A secret that was written into the wrong field would otherwise be shown there. */
export function redact(issues: readonly ConfigIssue[], secrets: readonly string[]): ConfigIssue[] {
  const hide = (text: string) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text)
  return issues.map(({ path, problem, cure }) => ({ path: hide(path), problem: hide(problem), cure: hide(cure) }))
}

/** The secrets of a configuration that may be wrong in every way. */
export function secretsOf(input: unknown): string[] {
  const { provider, session, splitTokens, upstreams, forwardAuth } = (
    typeof input === 'object' && input !== null ? input : {}
  ) as Partial<UserConfig>
  const secrets: unknown[] = [session?.secrets, splitTokens?.secrets].flatMap((list) =>
    Array.isArray(list) ? list : [],
  )
  const keys = Array.isArray(upstreams) ? upstreams.map((upstream) => upstream?.tls?.key) : []
  return longStrings([provider?.clientSecret, forwardAuth?.secret, ...secrets, ...keys.flatMap(keyLines)])
}

/** Messages are one line, so a key is looked for line by line. */
function keyLines(key: unknown): string[] {
  return typeof key === 'string' ? key.split(/\s+/).filter((line) => !line.includes('-----')) : []
}

/** The values of an environment: which of them are secrets, nobody knows. */
export function stringsOf(env: unknown): string[] {
  return typeof env === 'object' && env !== null ? longStrings(Object.values(env)) : []
}

/** Shorter ones would blank out parts of words. The longest first, lest one is part of another. */
function longStrings(values: readonly unknown[]): string[] {
  return values
    .filter((value) => typeof value === 'string')
    .filter((value) => value.length >= 8)
    .sort((one, other) => other.length - one.length)
}
