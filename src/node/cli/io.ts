/** What a command is given, so that it reads no global. Answers go to stdout, news to stderr. */
import type { Environment } from '../load-config.ts'

export interface Io {
  readonly env: Environment
  /** The working directory. */
  readonly directory: string
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function log(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** A mistake in how the command was called: shown without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
