import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { environment } from '../../src/node/cli/environment.ts'
import { freePort } from '../support/free-port.ts'
import { cli, type Folder, folder, type Running, run, start } from './run-cli.ts'

const secret = 'pXkEQb7tXoRk3wkLxZC6sH8kIVbHhXbJ7sYvYhJ2m0U'

let files: Folder | undefined
let running: Running | undefined

afterEach(async () => {
  running?.child.kill('SIGKILL')
  await running?.finished
  running = undefined
  files?.remove()
})

const config = (baseUrl: string, more = '') => `export default (env) => ({
  baseUrl: '${baseUrl}',
  provider: { issuer: 'http://127.0.0.1:9', clientId: 'app', clientSecret: env.CLIENT_SECRET },
  session: { secrets: [env.SESSION_SECRET] },
  routes: [
    { path: '/api/orders/*', upstream: 'http://127.0.0.1:9/v1', auth: 'session', methods: ['GET', 'POST'], scopes: ['orders'] },
    { path: '/prices', upstream: 'http://127.0.0.1:9/prices', auth: 'none', reason: 'a price list' },
  ],
  ${more}
})`

const env = { CLIENT_SECRET: 'a-client-secret', SESSION_SECRET: secret }

describe('coatcheck', () => {
  it('says how it is used', async () => {
    const { code, out } = await run(['--help'])
    expect(code).toBe(0)
    for (const command of ['serve', 'check', 'keygen']) {
      expect(out).toMatch(new RegExp(`^  ${command} `, 'm'))
      const own = await run([command, '--help'])
      expect(own).toMatchObject({ code: 0, err: '', out: expect.stringContaining(`Usage: coatcheck ${command}`) })
      expect((await run(['help', command])).out).toBe(own.out)
    }
  })

  it.each([
    ['20.20.2', 1, 'coatcheck needs Node 22.19 or newer, and this is Node 20.20.2.\n'],
    ['22.18.0', 1, 'coatcheck needs Node 22.19 or newer, and this is Node 22.18.0.\n'],
    ['22.19.0', 0, ''],
    ['23.0.0', 0, ''],
  ])('says of Node %s whether it is new enough, before it loads anything', (version, code, said) => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
    const preload = `data:text/javascript,${encodeURIComponent(pretend)}`
    const { status, stderr } = spawnSync(process.execPath, ['--import', preload, cli, '--version'], {
      encoding: 'utf8',
    })
    expect([status, stderr]).toEqual([code, said])
  })

  it('says its version', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' })
  })

  it.each([
    [[], 'Usage: coatcheck COMMAND'],
    [['serv'], 'There is no command serv. Did you mean serve?'],
    [['toString'], 'There is no command toString.'],
    [['__proto__'], 'There is no command __proto__.'],
    [['--config', 'x'], 'The first word is a command'],
    [['serve', '--prot', '1'], 'There is no option --prot. Did you mean --port?'],
    [['check', '--https'], 'There is no option --https.'],
    [['serve', '--https=yes'], '--https takes no value.'],
    [['serve', '--port'], '--port needs a value.'],
    [['serve', '--port', 'x'], '--port needs a number'],
    [['serve', '--port', '65536'], '--port needs a number'],
    [['serve', '--port', '-1'], '--port'],
  ])('answers %j with what is wrong', async (words, said) => {
    const { code, out, err } = await run(words)
    expect(err).toContain(said)
    expect(err).not.toContain('    at ')
    expect({ code, out }).toEqual({ code: 1, out: '' })
  })

  it('names a file of variables that is missing', async () => {
    const { code, out, err } = await run(['check', '--env-file', 'gone.env'])
    expect(err).toContain('gone.env')
    expect(code).toBeGreaterThan(0)
    expect(out).toBe('')
    const read = (file: string) => () => environment(file, { env: {}, directory: '/' })
    expect(read('gone.env')).toThrow(
      'The file gone.env of --env-file is not there. Correct the path, or make it, with NAME=value a line.',
    )
    expect(read('tmp')).toThrow(
      'The file tmp of --env-file could not be read (EISDIR). Name one that this user may read, with NAME=value a line.',
    )
  })

  it('takes no secret on its command line, and does not repeat it', async () => {
    for (const words of [
      ['serve', '--client-secret=hunter2'],
      ['serve', '--client-secret', 'hunter2'],
      ['check', 'hunter2'],
    ]) {
      const { code, err } = await run(words)
      expect(err).not.toContain('hunter2')
      expect(code).toBe(1)
    }
  })
})

describe('coatcheck keygen', () => {
  it('prints a secret that a configuration takes, another each time', async () => {
    const [one, other] = await Promise.all([run(['keygen']), run(['keygen'])])
    expect(one.out).toMatch(/^[A-Za-z0-9_-]{43}\n$/)
    expect(one.out).not.toBe(other.out)
    files = folder({ 'coatcheck.config.mjs': config('http://localhost:3000') })
    const checked = await run(['check'], { directory: files.path, env: { ...env, SESSION_SECRET: one.out.trim() } })
    expect(checked).toMatchObject({ code: 0, err: '' })
  })
})

describe('coatcheck check', () => {
  it('lists the routes, what to look at, and no secret', async () => {
    files = folder({ 'coatcheck.config.mjs': config('http://localhost:3000') })
    const { code, out, err } = await run(['check'], { directory: files.path, env })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^PATH +METHODS +AUTH +LISTENER +KINDS +SCOPES +TOKEN +UPSTREAM$/m)
    expect(out).toMatch(
      /^\/api\/orders\/\* +GET POST +session +public +fetch +orders +the session's +http:\/\/127\.0\.0\.1:9\/v1\/\*$/m,
    )
    expect(out).toMatch(/^\/prices +GET HEAD +none +public +- +- +none +http:\/\/127\.0\.0\.1:9\/prices$/m)
    expect(out).toContain('- /prices is open to everyone: a price list')
    expect(out).toContain('http://localhost:3000/bff/callback')
    expect(out).not.toContain(secret)
    expect(out).not.toContain('a-client-secret')
  })

  it('lists upstreams and limits, and who may ask for tokens', async () => {
    const more = `
      upstreams: [{
        origin: 'https://orders.internal',
        targets: ['https://10.0.0.1:8443', 'https://10.0.0.2:8443'],
        http2: true,
        health: { path: '/healthz' },
      }],
      rateLimits: [{ per: 'address', requests: 1200, window: '1m' }],
      listeners: { public: 3000, internal: 3001 },
      forwardAuth: { proxy: 'nginx' },
      routes: [{
        path: '/api/orders/*', upstream: 'https://orders.internal/v1', auth: 'session',
        rateLimits: [{ per: 'session', requests: 300, window: '1m' }],
      }],`
    files = folder({ 'coatcheck.config.mjs': config('http://localhost:3000', more) })
    const { code, out, err } = await run(['check'], { directory: files.path, env })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^UPSTREAM +TARGETS +TLS +HEALTH +BREAKER$/m)
    expect(out).toMatch(
      /^https:\/\/orders\.internal +https:\/\/10\.0\.0\.1:8443 https:\/\/10\.0\.0\.2:8443 +HTTP\/2 +\/healthz every 10s +5 failures, 10s$/m,
    )
    expect(out).toMatch(/^every route +address +1200 in 1m$/m)
    expect(out).toMatch(/^\/api\/orders\/\* +session +300 in 1m$/m)
    expect(out).toMatch(/^Forward auth +\/verify of the internal listener, as nginx asks$/m)
  })

  it('says that the app is not built, which is no mistake where it only checks', async () => {
    files = folder({ 'coatcheck.config.mjs': config('http://localhost:3000', "spa: { dir: 'dist' }") })
    const check = () => run(['check'], { directory: files?.path ?? '', env })
    const folderMissing = await check()
    expect(folderMissing.out).toContain(
      '- spa.dir names dist, and there is no such folder, so serve would not start here: build the app first',
    )
    files.write({ 'dist/app.js': '' })
    const indexMissing = await check()
    expect(indexMissing.out).toContain('- spa.dir names dist, and there is no index.html in it, so serve would not')
    files.write({ 'dist/index.html': '' })
    expect((await check()).out).not.toContain('- spa.dir')
    expect([folderMissing.code, indexMissing.code]).toEqual([0, 0])
  })

  it('refuses the source of an app as its pages, as serve does', async () => {
    files = folder({
      'coatcheck.config.mjs': config('http://localhost:3000', "spa: { dir: 'app' }"),
      'app/index.html': '',
      'app/package.json': '{}',
    })
    const { code, out, err } = await run(['check'], { directory: files.path, env })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('spa.dir names app, and package.json is in it')
    expect((await run(['serve'], { directory: files.path, env })).err).toBe(err)
  })

  it.each([
    [
      'backChannelLogout with memory',
      { more: 'backChannelLogout: true, session: { secrets: [env.SESSION_SECRET], store: cookieStore() }' },
      'backChannelLogout needs a coordinator',
    ],
    [
      'a service binding',
      { more: "routes: [{ path: '/api/x', upstream: { fetch() {} }, auth: 'session' }]" },
      'routes[0].upstream is a service binding',
    ],
  ])('names what would stop the start: %s', async (_what, { more }, said) => {
    const stores = JSON.stringify(new URL('../../src/session/stores/cookie-store.ts', import.meta.url).href)
    const source = `import { cookieStore } from ${stores}\n${config('http://localhost:3000', more)}`
    files = folder({ 'coatcheck.config.mjs': source })
    const { code, out, err } = await run(['check'], { directory: files.path, env })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(said)
  })

  it('reads variables from a file, and what is set already wins', async () => {
    files = folder({
      'coatcheck.config.mjs': config('http://localhost:3000'),
      '.env': `CLIENT_SECRET=from-the-file\nSESSION_SECRET=${secret}\n`,
    })
    expect((await run(['check', '--env-file', '.env'], { directory: files.path })).code).toBe(0)
    const overridden = await run(['check', '--env-file', '.env'], {
      directory: files.path,
      env: { SESSION_SECRET: 'bad' },
    })
    expect(overridden.err).toContain('session.secrets[0] is not 32 bytes')
  })

  it('names every variable that is missing', async () => {
    files = folder({ 'coatcheck.config.mjs': config('http://localhost:3000') })
    const { code, err } = await run(['check'], { directory: files.path })
    expect(err).toContain('provider.clientSecret is not set')
    expect(err).toContain('session.secrets[0] is not set')
    expect(err).toMatch(/\n\nVariables that were read and are not set: CLIENT_SECRET, SESSION_SECRET\.\n$/)
    expect(code).toBe(1)
  })
})

describe('coatcheck serve', () => {
  async function serve(words: string[], text: string, extra: Record<string, string> = {}): Promise<string> {
    files = folder({ 'coatcheck.config.mjs': text })
    running = start(['serve', ...words], { directory: files.path, env: { ...env, ...extra } })
    return running.said(' serves ')
  }

  it('serves, and ends cleanly at the first signal', async () => {
    const port = await freePort()
    const said = await serve([], config(`http://localhost:${port}`))
    expect(said).toContain(`serves http://localhost:${port} (listens on http://127.0.0.1:${port})`)
    expect(said).toContain('/prices is open to everyone')
    const session = await fetch(`http://localhost:${port}/bff/session`, { headers: { 'X-CSRF': '1' } })
    expect(await session.json()).toEqual({ authenticated: false })
    running?.child.kill('SIGTERM')
    expect(await running?.finished).toMatchObject({
      code: 0,
      out: '',
      err: expect.stringContaining('SIGTERM: finishing'),
    })
  })

  it('says every place where it listens, and that a port alone is on every address', async () => {
    const [port, internal, management] = [await freePort(), await freePort(), await freePort()]
    const listeners = `listeners: { public: ${port}, internal: ${internal}, management: ${management} },`
    const said = await serve([], config(`http://localhost:${port}`, listeners))
    expect(said).toContain(`serves http://localhost:${port} (listens on every address, port ${port})`)
    expect(said).toContain(`Internal listener: http://127.0.0.1:${internal}\n`)
    expect(said).toContain(`Management listener: http://127.0.0.1:${management}\n`)
  })

  it('stops at once at the second signal, whatever is under way', async () => {
    const port = await freePort()
    const { createServer } = await import('node:http')
    // Never answers, so that the first signal has something to wait for.
    const upstream = createServer(() => undefined)
    const upstreamPort = await freePort()
    await new Promise<void>((listening) => upstream.listen(upstreamPort, '127.0.0.1', listening))
    const arrived = new Promise<void>((resolve) => upstream.once('request', () => resolve()))
    try {
      await serve(
        [],
        config(`http://localhost:${port}`).replace(
          "'http://127.0.0.1:9/prices'",
          `'http://127.0.0.1:${upstreamPort}/prices'`,
        ),
      )
      const answer = fetch(`http://localhost:${port}/prices`).then(
        () => 'answered',
        () => 'cut off',
      )
      await arrived
      running?.child.kill('SIGINT')
      await running?.said('SIGINT: finishing')
      // Again and again: one right after the first counts as the same.
      const again = setInterval(() => running?.child.kill('SIGINT'), 50)
      const finished = await running?.finished.finally(() => clearInterval(again))
      expect(finished?.code).toBe(130)
      expect(await answer).toBe('cut off')
    } finally {
      upstream.closeAllConnections()
      upstream.close()
    }
  })

  it('moves to another port with baseUrl, on a development machine', async () => {
    const port = await freePort()
    const said = await serve(['--port', String(port)], config('http://localhost:3999'))
    expect(said).toContain(`serves http://localhost:${port} (listens on http://127.0.0.1:${port})`)
  })

  it('says whose port it is not', async () => {
    const port = await freePort()
    await serve([], config(`http://localhost:${port}`))
    const second = await run(['serve'], { directory: files?.path ?? '', env })
    expect(second).toEqual({
      code: 1,
      out: '',
      err: `Port ${port} of 127.0.0.1 is taken. Stop what listens there, or name another port in listeners.public. For this start alone: coatcheck serve --port ${port + 1}\n`,
    })
  })

  it('says which listener’s port it is not', async () => {
    const [taken, free] = [await freePort(), await freePort()]
    await serve([], config(`http://localhost:${taken}`))
    files?.write({ 'other.mjs': config(`http://localhost:${free}`, `listeners: { management: ${taken} },`) })
    const second = await run(['serve', '--config', 'other.mjs'], { directory: files?.path ?? '', env })
    expect(second).toEqual({
      code: 1,
      out: '',
      err: `Port ${taken} of 127.0.0.1 is taken. Stop what listens there, or name another port in listeners.management.\n`,
    })
  })

  it('says that its own file cannot be used, as a mistake of the configuration', async () => {
    files = folder({
      'coatcheck.config.mjs': config('http://localhost:3000', 'listeners: { public: 0 },'),
      'coatcheck.sqlite/is-a-folder': '',
    })
    const { code, err } = await run(['serve'], { directory: files.path, env })
    expect(err).toMatch(
      /^ {2}session\.store is not set, and coatcheck\.sqlite in the working directory cannot be used: unable/m,
    )
    expect(err).not.toContain('    at ')
    expect(code).toBe(1)
  })

  it('does not start with a mistake', async () => {
    files = folder({ 'coatcheck.config.mjs': config('http://app.example.com') })
    const { code, err } = await run(['serve'], { directory: files.path, env })
    expect(err).toContain('baseUrl is plain http')
    expect(code).toBe(1)
  })

  it('serves https with a certificate that is kept, and moves baseUrl there', async () => {
    const port = await freePort()
    const caches = folder()
    try {
      const said = await serve(['--https'], config(`http://localhost:${port}`), {
        XDG_CACHE_HOME: caches.path,
        HOME: caches.path,
      })
      expect(said).toContain(`serves https://localhost:${port}`)
      expect(said).toContain(`https://localhost:${port}/bff/callback`)
      const file = /The certificate is (.*)\. To have/.exec(said)?.[1] ?? ''
      expect(await getWithCertificate(`https://localhost:${port}/bff/session`, file)).toEqual({ authenticated: false })
    } finally {
      caches.remove()
    }
  })

  it('makes no certificate for another machine', async () => {
    files = folder({ 'coatcheck.config.mjs': config('https://app.example.com') })
    const { code, err } = await run(['serve', '--https'], { directory: files.path, env })
    expect(err).toMatch(/^--https makes .* baseUrl is https:\/\/app\.example\.com\. Leave --https out/)
    expect(code).toBe(1)
  })
})

/** Over TLS that trusts this certificate and no other. */
async function getWithCertificate(url: string, certFile: string): Promise<unknown> {
  const { readFileSync } = await import('node:fs')
  const { get } = await import('node:https')
  const text = await new Promise<string>((resolve, reject) => {
    get(url, { ca: readFileSync(certFile), headers: { 'X-CSRF': '1' } }, (response) => {
      response.setEncoding('utf8')
      let body = ''
      response.on('data', (part: string) => {
        body += part
      })
      response.on('end', () => resolve(body))
    }).on('error', reject)
  })
  return JSON.parse(text)
}
