/** How long `coatcheck serve`, as it is published, takes from nothing to its first answer. */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-port.ts'
import { end, unpin } from './processes.ts'

const starts = 7
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Builds the package, and gives the median. Milliseconds. What is started may run on every core, as users have it. */
export async function startToFirstAnswerMs(): Promise<number> {
  if (spawnSync(process.execPath, ['.ci/build.mjs'], { cwd: root, stdio: 'inherit' }).status !== 0) {
    throw new Error('the package does not build')
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-start-'))
  try {
    const times: number[] = []
    unpin(process.pid)
    for (let count = 0; count < starts; count += 1) times.push(await startOnce(folder))
    return Math.round(times.sort((one, other) => one - other)[Math.floor(starts / 2)] ?? Number.NaN)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function startOnce(folder: string): Promise<number> {
  const port = await freePort()
  const config = {
    baseUrl: `http://localhost:${port}`,
    provider: { issuer: 'https://login.example.com', clientId: 'app', clientSecret: randomBytes(24).toString('hex') },
    session: { secrets: [randomBytes(32).toString('base64url')] },
    routes: [{ path: '/api/*', upstream: 'https://orders.example.com/v1', auth: 'session' }],
  }
  const file = path.join(folder, 'coatcheck.config.mjs')
  await writeFile(file, `export default ${JSON.stringify(config)}`)
  const startedAt = performance.now()
  const cli = path.join(root, 'dist/node/cli.js')
  const child = spawn(process.execPath, [cli, 'serve', '--config', file], { cwd: folder, stdio: 'ignore' })
  try {
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error('coatcheck serve ended before it answered')
      await delay(1)
    }
    return performance.now() - startedAt
  } finally {
    await end(child)
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const headers = { host: `localhost:${port}`, 'x-csrf': '1' }
    request({ host: '127.0.0.1', port, path: '/bff/session', headers, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
      .once('error', () => resolve(false))
      .end()
  })
}
