/** A real Traefik (`TRAEFIK_PATH`, or on the path), with a dynamic configuration of the test's own. */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { proxyFolder, type RunningProxy, startProxy } from './proxy-process.ts'

const program = process.env.TRAEFIK_PATH ?? 'traefik'

export const hasTraefik = spawnSync(program, ['version']).status === 0

export async function startTraefik(port: number, configs: readonly string[]): Promise<RunningProxy> {
  const folder = await proxyFolder('traefik')
  const file = path.join(folder, 'dynamic.yaml')
  await writeFile(file, configs.join(''))
  const parameters = [
    `--entryPoints.web.address=127.0.0.1:${port}`,
    `--providers.file.filename=${file}`,
    '--global.checkNewVersion=false',
    '--global.sendAnonymousUsage=false',
    '--log.level=ERROR',
  ]
  return startProxy(program, parameters, { port, folder })
}
