/** What both measurements need: the upstream, a provider, a signed-in browser's cookie, and the two processes. */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startProvider } from '../../spa-example/provider/index.ts'
import { UserAgent } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/free-port.ts'
import type { StreamSubject, Usage } from './subject.ts'

export const names = ['raw-node', 'coatcheck'] as const
export type Name = (typeof names)[number]

export interface Subject {
  readonly name: Name
  readonly port: number
  /** What a page's call has, with the session's cookie. */
  readonly headers: Readonly<Record<string, string>>
  ask(what: 'reset' | 'usage'): Promise<Usage>
}

export async function startSystem(): Promise<{ subjects: Subject[]; stop: () => Promise<void> }> {
  const children: ChildProcess[] = []
  const start = (file: string, env: Record<string, string> = {}) => {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      execArgv: ['--expose-gc'],
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
    })
    children.push(child)
    return child
  }
  const [upstreamPort] = (await once(start('./upstream.ts'), 'message')) as [number]
  const ports = { 'raw-node': await freePort(), coatcheck: await freePort() }
  const baseUrl = `http://localhost:${ports.coatcheck}`
  const provider = await startProvider({ appOrigin: baseUrl, accessTokenSeconds: 7200 })
  const processes = new Map<Name, ChildProcess>()
  const secret = randomBytes(32).toString('base64url')
  for (const name of names) {
    const { issuer, clientId, clientSecret } = provider
    const upstream = `http://127.0.0.1:${upstreamPort}`
    const options: StreamSubject = {
      name,
      port: ports[name],
      baseUrl,
      upstream,
      issuer,
      clientId,
      clientSecret,
      secret,
    }
    const child = start('./subject.ts', { BENCH_SUBJECT: JSON.stringify(options) })
    await once(child, 'message')
    processes.set(name, child)
  }
  const browser = new UserAgent()
  await browser.signIn(`${baseUrl}/bff/login?return_to=/`, { username: 'ada', password: 'ada-demo' })
  const headers = {
    host: new URL(baseUrl).host,
    cookie: browser.cookies.header(new URL(baseUrl), { isSameSite: true, isSafeNavigation: false }) ?? '',
    'x-csrf': '1',
    'sec-fetch-site': 'same-origin',
  }
  return {
    subjects: names.map((name) => ({
      name,
      port: ports[name],
      headers,
      async ask(what) {
        const child = processes.get(name) as ChildProcess
        child.send(what)
        const [usage] = (await once(child, 'message')) as [Usage]
        return usage
      },
    })),
    async stop() {
      for (const child of children) {
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      }
      await provider.stop()
    },
  }
}

export const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}
