/** Checks the configuration as `serve` would, and lists what it opens. Asks nobody on the network. */
import { resolve } from 'node:path'
import { ConfigError, type ConfigIssue } from '../../config/config-error.ts'
import type { Config } from '../../config/types.ts'
import { nodeMistakes } from '../config-mistakes.ts'
import { loadConfig } from '../load-config.ts'
import { notBuiltMistake, sourceMistake } from '../static-files.ts'
import type { Values } from './commands.ts'
import { environment } from './environment.ts'
import { type Io, print } from './io.ts'
import { report } from './report.ts'

export async function check(values: Values, io: Io): Promise<number> {
  const file = typeof values.config === 'string' ? values.config : undefined
  const config = await loadConfig(file, environment(values['env-file'], io), { directory: io.directory })
  const mistakes = [...nodeMistakes(config), ...(await ofPages(config, io.directory, sourceMistake))]
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  // No mistake yet: where the configuration is checked, the app may not be built.
  const notBuilt = await ofPages(config, io.directory, notBuiltMistake)
  const more = notBuilt.map(({ path, problem, cure }) => `${path} ${problem}, so serve would not start here: ${cure}`)
  print(report({ ...config, notices: [...config.notices, ...more] }))
  return 0
}

type Look = (root: string, dir: string) => Promise<ConfigIssue | undefined>

async function ofPages({ spa }: Config, directory: string, look: Look): Promise<ConfigIssue[]> {
  if (spa === undefined || !('dir' in spa)) return []
  const found = await look(resolve(directory, spa.dir), spa.dir)
  return found ? [found] : []
}
