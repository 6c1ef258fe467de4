/** Checks the configuration as `serve` would, and lists what it opens. Asks nobody on the network. */
import { resolve } from 'node:path'
import { ConfigError } from '../../config/config-error.ts'
import type { Config } from '../../config/types.ts'
import { nodeMistakes } from '../config-mistakes.ts'
import { loadConfig } from '../load-config.ts'
import { checkPages } from '../static-files.ts'
import type { Values } from './commands.ts'
import { environment } from './environment.ts'
import { type Io, print } from './io.ts'
import { report } from './report.ts'

export async function check(values: Values, io: Io): Promise<number> {
  const file = typeof values.config === 'string' ? values.config : undefined
  const config = await loadConfig(file, environment(values['env-file'], io), { directory: io.directory })
  const mistakes = nodeMistakes(config)
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const notices = [...config.notices, ...(await pageNotices(config, io.directory))]
  print(report({ ...config, notices }))
  return 0
}

/** No mistake yet: where the configuration is checked, the app may not be built. */
async function pageNotices({ spa }: Config, directory: string): Promise<string[]> {
  if (spa === undefined || !('dir' in spa)) return []
  try {
    await checkPages(resolve(directory, spa.dir), spa.dir)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.issues.map(({ path, problem, cure }) => `${path} ${problem}: ${cure}`)
  }
}
