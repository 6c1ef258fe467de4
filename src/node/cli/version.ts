import { readFileSync } from 'node:fs'

/** Of this package; its file is as far away in src/ as in dist/. */
export function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  return String(version)
}
