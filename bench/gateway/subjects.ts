/** Who is measured, how each is started and signed in to, and what each is asked. */

import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { sign } from 'hono/jwt'
import { sealData } from 'iron-session'
import { type RunningProvider, startProvider } from '../../spa-example/provider/index.ts'
import { nodeDeflate } from '../../src/node/raw-deflate.ts'
import { compression } from '../../src/session/compress.ts'
import { sessionCookieName } from '../../src/session/cookie-names.ts'
import { sealer } from '../../src/session/seal.ts'
import { sessionSeals } from '../../src/session/session-seal.ts'
import { UserAgent } from '../../test/support/browser.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startRedis } from '../../test/support/redis.ts'
import { loadOn } from './load.ts'
import type { Subject } from './measure.ts'
import { cores, end, pin, startModule } from './processes.ts'
import { folderFor, missingFor, type ServerOptions, startApache, startNginx, startWorker } from './servers.ts'
import type { SubjectOptions } from './subject.ts'

export const names = [
  ...['coatcheck-warm', 'coatcheck-sqlite-warm', 'coatcheck-redis-warm', 'coatcheck-cold', 'coatcheck-none'],
  ...['coatcheck-own-app', 'coatcheck-routes-10', 'coatcheck-routes-1000'],
  ...['coatcheck-workerd', 'raw-workerd'],
  ...['hono-proxy-iron-session', 'express-openid-connect', 'hono-oidc-auth', 'mod-auth-openidc', 'nginx'],
] as const

/** More than the subject remembers, so that none of them is known when its turn comes again. */
const coldSeals = 15_000
const accessTokenSeconds = 7200
const person = { username: 'ada', password: 'ada-demo' }

export interface Stage {
  readonly raw: Subject
  readonly others: readonly Subject[]
  /** Ends the profiled subject, and gives the folder of its profile. */
  profileFolder(): Promise<string>
  close(): Promise<void>
}

/** Everything that stands around the subjects. */
interface World {
  readonly folder: string
  readonly upstream: string
  readonly redisUrl: string
  readonly providers: RunningProvider[]
  readonly execArgv: string[]
}

/** Starts raw Node and those of `wanted` that can run here, and says what the others lack. */
export async function startAll(wanted: readonly string[], { isProfiled }: { isProfiled: boolean }): Promise<Stage> {
  pin(process.pid, cores.rest)
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-bench-'))
  const redis = await startRedis()
  const upstream = await startModule('./upstream.ts', { core: cores.rest })
  const world: World = {
    folder,
    upstream: `http://127.0.0.1:${upstream.message}`,
    redisUrl: redis.url,
    providers: [],
    execArgv: isProfiled ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : [],
  }
  const subjects: Subject[] = []
  const close = async () => {
    for (const { load, child } of subjects) {
      load.close()
      await end(child, 'SIGTERM')
    }
    await end(upstream.child)
    for (const provider of world.providers) await provider.stop()
    await redis.stop()
    await rm(folder, { recursive: true })
  }
  try {
    for (const name of [...['raw-node', ...wanted]]) {
      const missing = missingFor(name)
      if (missing === undefined) subjects.push(await startSubject(name, world))
      else console.log(`${name} is left out: ${missing}`)
    }
    const [raw, ...others] = subjects as [Subject, ...Subject[]]
    const profileFolder = async () => {
      const { child } = subjects.at(-1) as Subject
      const exited = once(child, 'exit')
      child.send('end')
      await exited
      return folder
    }
    return { raw, others, profileFolder, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Those that are no Node programs. */
const programs: Readonly<Record<string, (options: ServerOptions) => Promise<ChildProcess>>> = {
  nginx: startNginx,
  'mod-auth-openidc': startApache,
  'coatcheck-workerd': startWorker,
  'raw-workerd': startWorker,
}

async function startSubject(name: string, world: World): Promise<Subject> {
  const port = await freePort()
  const baseUrl = `http://localhost:${port}`
  const provider = await startProvider({ appOrigin: baseUrl, accessTokenSeconds })
  world.providers.push(provider)
  const options: SubjectOptions = {
    name,
    port,
    baseUrl,
    upstream: world.upstream,
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    secret: randomBytes(32).toString('base64url'),
    sqliteFile: path.join(world.folder, 'ledger.sqlite'),
    redisUrl: world.redisUrl,
  }
  const child = await startProcess(options, world)
  await isListening(port)
  const cookies = await cookiesFor(options)
  const folder = name === 'coatcheck-none' ? '/public' : '/api'
  return {
    name,
    child,
    load: loadOn(port, cookies.take),
    nextRequest: (bodyBytes) => requestText(`${folder}/${bodyBytes}`, `localhost:${port}`, cookies.next()),
  }
}

async function startProcess(options: SubjectOptions, world: World): Promise<ChildProcess> {
  const core = cores.subject
  const start = programs[options.name]
  if (start !== undefined) return start({ ...options, core, folder: await folderFor(world.folder, options.name) })
  const env = { BENCH_SUBJECT: JSON.stringify(options) }
  const { child } = await startModule('./subject.ts', { core, env, execArgv: world.execArgv })
  return child
}

async function isListening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await delay(50)
  }
  throw new Error(`nobody listens on port ${port}`)
}

interface Cookies {
  /** The `Cookie` field of the next request. */
  next(): string
  /** A browser keeps what an answer sets: one that came with an old cookie for ever would get a new one with each answer. */
  take?(setCookie: string): void
}

/** All are signed in but those that keep no session of their own. */
async function cookiesFor(options: SubjectOptions): Promise<Cookies> {
  const { name, baseUrl, secret } = options
  const always = (cookie: string): Cookies => ({ next: () => cookie })
  switch (name) {
    case 'hono-proxy-iron-session':
      return always(`session=${await sealData({ accessToken: 't'.repeat(700) }, { password: secret })}`)
    case 'hono-oidc-auth':
      return always(`oidc-auth=${await sign(honoSession(), secret)}`)
    case 'express-openid-connect':
    case 'mod-auth-openidc':
      return signedIn(`${baseUrl}/api/200`)
    case 'coatcheck-cold':
      return { next: await coldCookies(options) }
    // It drops the cookie, and has to read it all the same.
    case 'raw-node':
    case 'raw-workerd':
    case 'nginx':
      return always(`${sessionCookieName}=${'s'.repeat(3000)}`)
    default:
      return signedIn(`${baseUrl}/bff/login?return_to=/`)
  }
}

async function signedIn(startUrl: string): Promise<Required<Cookies>> {
  const browser = new UserAgent()
  await browser.signIn(startUrl, person)
  const field = () => {
    const cookie = browser.cookies.header(new URL(startUrl), { isSameSite: true, isSafeNavigation: false })
    if (cookie === undefined) throw new Error(`${startUrl} left no cookie`)
    return cookie
  }
  let cookie = field()
  return {
    next: () => cookie,
    take(setCookie) {
      browser.cookies.set(startUrl, setCookie)
      cookie = field()
    },
  }
}

/** The session of one sign-in, sealed anew so often. */
async function coldCookies({ baseUrl, secret, issuer, clientId }: SubjectOptions): Promise<() => string> {
  const context = { origin: baseUrl, issuer, clientId }
  const seals = sessionSeals(sealer([secret], 'session', context), compression(nodeDeflate))
  const cookie = (await signedIn(`${baseUrl}/bff/login?return_to=/`)).next()
  const seal = new RegExp(`${sessionCookieName}=([^;]+)`).exec(cookie)?.[1] ?? ''
  const presented = await seals.open(seal)
  if (!presented) throw new Error('the sign-in gave no session cookie')
  const cookies: string[] = []
  for (let count = 0; count < coldSeals; count += 1) {
    cookies.push(`${sessionCookieName}=${await seals.seal(presented)}`)
  }
  let next = 0
  return () => cookies[next++ % coldSeals] as string
}

/** As `@hono/oidc-auth` writes it: its own sign-in demands https of the provider. */
function honoSession(): Record<string, unknown> {
  const end = Math.floor(Date.now() / 1000) + accessTokenSeconds
  return { sub: 'ada', email: 'ada@example.com', rtk: 'r'.repeat(43), rtkexp: end, ssnexp: end }
}

function requestText(target: string, host: string, cookie: string): string {
  return [
    `GET ${target} HTTP/1.1`,
    `Host: ${host}`,
    'X-CSRF: 1',
    'Sec-Fetch-Site: same-origin',
    'Sec-Fetch-Mode: cors',
    'Sec-Fetch-Dest: empty',
    'Accept: application/json',
    'Accept-Language: en-GB,en;q=0.9',
    'User-Agent: Mozilla/5.0 (bench)',
    `Cookie: ${cookie}`,
    '\r\n',
  ].join('\r\n')
}
