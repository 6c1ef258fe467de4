/** `npm start`, as a person meets it: it starts, says what is in the way, and ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'

async function ports(): Promise<{ PORT: string; PROVIDER_PORT: string; API_PORT: string }> {
  const [app, provider, api] = [await freePort(), await freePort(), await freePort()]
  return { PORT: String(app), PROVIDER_PORT: String(provider), API_PORT: String(api) }
}

/** npm runs its scripts by a shell, which stays between the two where it does not replace itself. */
function npmStart(env: Record<string, string>): ChildProcess {
  return spawn('sh', ['-c', `"${process.execPath}" spa-example/start.ts; exit $?`], {
    env: { ...process.env, npm_lifecycle_event: 'start', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function outcome(child: ChildProcess): Promise<{ code: number | null; said: string }> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = await once(child, 'close')
  return { code, said }
}

const isListening = (port: string) =>
  fetch(`http://localhost:${port}/`).then(
    () => true,
    () => false,
  )

it('is ready within seconds, says where it is and who may sign in, and ends when npm is ended', async () => {
  const env = await ports()
  const child = npmStart(env)
  let said = ''
  for await (const chunk of child.stdout?.setEncoding('utf8') ?? []) {
    said += chunk
    if (said.includes('Ctrl-C')) break
  }
  for (const word of [`http://localhost:${env.PORT}`, `http://127.0.0.1:${env.PROVIDER_PORT}`, 'ada / ada-demo']) {
    expect(said).toContain(word)
  }
  expect(await isListening(env.PORT)).toBe(true)
  child.kill('SIGTERM')
  await expect.poll(() => isListening(env.PORT), { timeout: 5000 }).toBe(false)
  await expect.poll(() => isListening(env.PROVIDER_PORT), { timeout: 5000 }).toBe(false)
})

it.each(['PORT', 'PROVIDER_PORT', 'API_PORT'] as const)('says which port is taken: %s', async (name) => {
  const env = await ports()
  const host = name === 'PORT' ? 'localhost' : '127.0.0.1'
  const other = createServer().listen(Number(env[name]), host)
  await once(other, 'listening')
  try {
    const { code, said } = await outcome(npmStart(env))
    expect(code).toBe(1)
    expect(said).toContain(`:${env[name]}\n`)
    expect(said).toContain('Set PORT, PROVIDER_PORT or API_PORT to another one.')
    expect(said).not.toContain('    at ')
  } finally {
    other.close()
  }
})

it('says that a port is no number', async () => {
  expect(await outcome(npmStart({ ...(await ports()), PORT: 'abc' }))).toEqual({
    code: 1,
    said: 'PORT has to be a whole number, such as 3000.\n',
  })
})
