/** The variables that the configuration is given. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import type { Environment } from '../load-config.ts'
import { type Io, UsageError } from './io.ts'

/**
 * The environment, and what it lacks from the file: as Node's own `--env-file` does. Some versions of Node take
 * the option for theirs wherever it stands, with the same outcome; then a file that is missing is answered by Node
 * (`node: app.env: not found`), before anything of ours runs.
 */
export function environment(file: string | boolean | undefined, io: Io): Environment {
  if (typeof file !== 'string') return io.env
  try {
    return { ...parseEnv(readFileSync(resolve(io.directory, file), 'utf8')), ...io.env }
  } catch (error) {
    const code = codeOf(error)
    const [problem, cure] =
      code === 'ENOENT'
        ? ['is not there', 'Correct the path, or make it']
        : [`could not be read (${code})`, 'Name one that this user may read']
    throw new UsageError(`The file ${file} of --env-file ${problem}. ${cure}, with NAME=value a line.`)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'not a text file'
}
