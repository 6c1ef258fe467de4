/** Finds the configuration file, has Node load it, and checks what it says. */
import { existsSync } from 'node:fs'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '../config/config-error.ts'
import { redact, stringsOf } from '../config/redact.ts'
import { resolveConfig } from '../config/resolve.ts'
import type { Config } from '../config/types.ts'
import type { ConfigSource, UserConfig } from '../config/user-config.ts'

/** Looked for in this order, where no file is named. */
const configFileNames = ['mts', 'ts', 'mjs', 'js'].map((extension) => `coatcheck.config.${extension}`)

export type Environment = Readonly<Record<string, string | undefined>>

export interface LoadOptions {
  /** Where a relative path starts, and the default names are looked for. Default: the working directory. */
  directory?: string
  /** Changes what the file says, before it is checked. */
  adjust?: (config: UserConfig) => UserConfig
}

/**
 * Imports the file once: a reload is a new process, since importing again would keep what the file imports.
 *
 * @param path of the file; undefined for the default names.
 * @throws {ConfigError} for a file that cannot be loaded, and for every mistake in what it says; what `adjust` throws.
 */
export async function loadConfig(
  path: string | undefined,
  env: Environment,
  options: LoadOptions = {},
): Promise<Config> {
  const file = findConfig(path, options.directory ?? process.cwd())
  const source = await importSource(file, env)
  const { adjust = (config) => config } = options
  let thrown: { error: unknown; by: 'source' | 'adjust' } | undefined
  const noting = <Result>(by: 'source' | 'adjust', call: () => Result): Result => {
    try {
      return call()
    } catch (error) {
      thrown = { error, by }
      throw error
    }
  }
  try {
    return resolveConfig((watched) => {
      const config = typeof source === 'function' ? noting('source', () => source(watched)) : source
      return isPlain(config) ? noting('adjust', () => adjust(config)) : config
    }, env)
  } catch (error) {
    if (thrown?.by === 'adjust') throw thrown.error
    throw thrown && error instanceof ConfigError ? placed(error, await placeIn(thrown.error, file)) : error
  }
}

/** The function is the only mistake, and its path is the whole. */
function placed({ issues }: ConfigError, path: string): ConfigError {
  return new ConfigError(issues.map((issue) => ({ ...issue, path })))
}

async function placeIn(error: unknown, file: string): Promise<string> {
  const { thrownAt } = await import('./loader-mistakes.ts')
  return thrownAt(error, file) ?? basename(file)
}

/** @throws {ConfigError} where there is no such file. */
function findConfig(path: string | undefined, directory: string): string {
  if (path === undefined) {
    const found = configFileNames.map((name) => resolve(directory, name)).find((file) => existsSync(file))
    if (found) return found
    throw new ConfigError([
      {
        path: '',
        problem: `was not found: there is no ${configFileNames.join(', ')} here`,
        cure: 'make one, go to the folder that has it, or name it with --config',
      },
    ])
  }
  const file = resolve(directory, path)
  if (!existsSync(file)) {
    throw new ConfigError([{ path, problem: 'does not exist', cure: 'correct the path of the configuration file' }])
  }
  if (!['.mts', '.ts', '.mjs', '.js'].includes(extname(file))) {
    throw new ConfigError([
      {
        path,
        problem: 'is not a module that is loaded here',
        cure: `write it as ${configFileNames.join(', ')} or the like`,
      },
    ])
  }
  return file
}

async function importSource(file: string, env: Environment): Promise<ConfigSource<Environment>> {
  let exported: { default?: ConfigSource<Environment> }
  try {
    exported = await import(pathToFileURL(file).href)
  } catch (error) {
    const { loaderMistake } = await import('./loader-mistakes.ts')
    // The module may have thrown with what it read from the environment.
    throw new ConfigError(redact([loaderMistake(error, file)], stringsOf(env)))
  }
  if (exported.default !== undefined) return exported.default
  throw new ConfigError([
    { path: basename(file), problem: 'has no default export', cure: 'write export default defineConfig({ … })' },
  ])
}

/** Anything else, a promise too, is for validation to name. */
function isPlain(config: unknown): boolean {
  return typeof config === 'object' && config !== null && !('then' in config)
}
