/** A configuration without a mistake, and ways to put one in. */
import { ConfigError } from '../../src/config/config-error.ts'
import { resolveConfig } from '../../src/config/resolve.ts'
import type { ConfigSource } from '../../src/config/user-config.ts'
import type { RouteConfig } from '../../src/config/user-routes.ts'

export const secret = 'pXkEQb7tXoRk3wkLxZC6sH8kIVbHhXbJ7sYvYhJ2m0U'
export const otherSecret = 'Lq3f0cQfUu0tZyq2GfM3zj0o0m8xUEK2Qn0gq7X9a5Y'

export function good(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    baseUrl: 'https://app.example.com',
    provider: goodProvider(),
    session: { secrets: [secret] },
    routes: [goodRoute()],
    ...changes,
  }
}

export function goodProvider(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { issuer: 'https://login.example.com', clientId: 'app', clientSecret: 'a-long-client-secret', ...changes }
}

export function goodRoute(changes: Record<string, unknown> = {}): RouteConfig {
  return { path: '/api/orders/*', upstream: 'https://orders.internal/v1', auth: 'session', ...changes } as RouteConfig
}

export const resolve = (input: unknown, env: Record<string, string | undefined> = {}) =>
  resolveConfig(input as ConfigSource, env)

/** The mistakes of a configuration, as `path problem → cure`. Fails if there is none. */
export function mistakes(input: unknown, env: Record<string, string | undefined> = {}): string[] {
  try {
    resolve(input, env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.issues.map(({ path, problem, cure }) => `${path} ${problem} → ${cure}`)
  }
  throw new Error('the configuration was accepted')
}
