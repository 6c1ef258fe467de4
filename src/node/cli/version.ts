import { createRequire } from 'node:module'

/** Of this package, wherever its files lie. */
export function version(): string {
  const { version } = createRequire(import.meta.url)('coatcheck/package.json') as { version: string }
  return version
}
