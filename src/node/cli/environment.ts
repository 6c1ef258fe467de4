/** The variables that the configuration is given. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import type { Environment } from '../load-config.ts'
import { type Io, UsageError } from './io.ts'

/**
 * The environment, and what it lacks from the file: as Node's own `--env-file` does. Some versions of Node take
 * the option for theirs wherever it stands, with the same outcome; then a file that is missing is answered by Node.
 */
export function environment(file: string | boolean | undefined, io: Io): Environment {
  if (typeof file !== 'string') return io.env
  try {
    return { ...parseEnv(readFileSync(resolve(io.directory, file), 'utf8')), ...io.env }
  } catch (error) {
    throw new UsageError(`The file ${file} of --env-file could not be read (${codeOf(error)}).`)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'not a text file'
}
