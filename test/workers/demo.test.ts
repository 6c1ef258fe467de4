/** `npm run dev:workers`: the whole demo, with the app on workerd. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { UserAgent } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))

async function startDemo() {
  const [port, providerPort, apiPort] = [await freePort(), await freePort(), await freePort()]
  const ports = { PORT: String(port), PROVIDER_PORT: String(providerPort), API_PORT: String(apiPort) }
  const child = spawn(process.execPath, ['spa-example/start.ts', '--workers'], {
    cwd: repository,
    env: { ...process.env, ...ports },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  await new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (output.includes('Ctrl-C stops')) resolve()
      })
    }
  })
  return { child, port, origin: `http://localhost:${port}`, output: () => output }
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** Those that run; what has ended and only waits for its parent to look is gone. */
async function processes(): Promise<Process[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,ppid=,stat=,args='])
  const lines = stdout.split('\n').map((line) => line.trim().split(/\s+/))
  return lines
    .filter(([, , state]) => state !== undefined && !state.startsWith('Z'))
    .map(([pid, parent, , ...args]) => ({ pid: Number(pid), parent: Number(parent), command: args.join(' ') }))
}

function descendants(all: readonly Process[], pid: number): Process[] {
  return all.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...descendants(all, child.pid)])
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  'signs in, calls the API, and leaves nothing behind after %s',
  async (signal) => {
    const { child, origin, port, output } = await startDemo()
    expect(child.exitCode, output()).toBeNull()
    const family = descendants(await processes(), child.pid ?? 0)
    expect(family.some(({ command }) => command.includes('workerd'))).toBe(true)
    const secrets = /CLIENT_SECRET|SESSION_SECRET|demo-secret/
    expect(family.filter(({ command }) => secrets.test(command))).toEqual([])

    const browser = new UserAgent()
    const app = await browser.signIn(`${origin}/bff/login?return_to=/orders`, { username: 'ada', password: 'ada-demo' })
    expect(app.url).toBe(`${origin}/orders`)
    expect(await app.text()).toContain('<div id="root">')
    const page = { headers: { 'X-CSRF': '1' } }
    expect(await (await browser.fetch(`${origin}/bff/session`, page)).json()).toMatchObject({
      authenticated: true,
      claims: { name: 'Ada Lovelace' },
    })
    expect((await browser.fetch(`${origin}/api/orders`, page)).status).toBe(200)
    // An event stream that is open holds nothing up.
    const feed = await browser.fetch(`${origin}/api/events`, {
      headers: { ...page.headers, Accept: 'text/event-stream' },
    })
    expect(feed.status).toBe(200)
    const cut = feed.text().catch((error: Error) => error)

    const closed = once(child, 'close')
    child.kill(signal)
    await closed
    await cut
    expect(child.exitCode).toBe(0)
    const left = new Set((await processes()).map(({ pid }) => pid))
    expect(family.filter(({ pid }) => left.has(pid))).toEqual([])
    await expect(fetch(`http://localhost:${port}/`)).rejects.toThrow()

    expect(output()).toContain(`App       ${origin}   (on workerd)`)
    expect(output()).not.toContain(repository)
    expect(output()).not.toMatch(/secret/i)
    // wrangler marks so what goes to console.error; a sign-in is none.
    expect(output()).not.toContain('ERROR')
  },
)
