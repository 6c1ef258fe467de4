/** Serves until it is told to stop. */
import type { Config } from '../../config/types.ts'
import { ListenError } from '../listen-error.ts'
import { loadConfig } from '../load-config.ts'
import type { LocalCertificate } from '../local-certificate.ts'
import type { StartedServer } from '../serve.ts'
import { adjustAddress } from './address.ts'
import type { Values } from './commands.ts'
import { environment } from './environment.ts'
import { type Io, log, UsageError } from './io.ts'
import { stopSignal } from './stop-signal.ts'
import { version } from './version.ts'

export async function serve(values: Values, io: Io): Promise<number> {
  const port = portOf(values.port)
  const isHttps = values.https === true
  const config = await loadConfig(
    typeof values.config === 'string' ? values.config : undefined,
    environment(values['env-file'], io),
    { directory: io.directory, adjust: (said) => adjustAddress(said, { port, isHttps }) },
  )
  const certificate = isHttps ? await certificateFor(config) : undefined
  // From here on a signal ends it cleanly, also one that comes while it starts.
  const stop = stopSignal()
  try {
    return await serveUntil(stop.signalled, config, certificate)
  } finally {
    stop.forget()
  }
}

async function certificateFor({ origin }: Config): Promise<LocalCertificate> {
  const { localCertificate } = await import('../local-certificate.ts')
  return localCertificate({ hosts: [new URL(origin).hostname] })
}

async function serveUntil(
  stopped: Promise<string>,
  config: Config,
  certificate: LocalCertificate | undefined,
): Promise<number> {
  const { startServer } = await import('../serve.ts')
  const tls = certificate && { key: certificate.key, cert: certificate.cert }
  const server = await startServer(config, tls ? { tls } : {}).catch((error: unknown) => {
    throw startMistake(error, config)
  })
  log(banner(config, server, certificate))
  const signal = await stopped
  log(`${signal}: finishing what is under way. Again to stop at once.`)
  await server.close()
  return 0
}

function banner(config: Config, server: StartedServer, certificate: LocalCertificate | undefined): string {
  const { host } = config.listeners.public
  const lines = [
    `coatcheck ${version()} serves ${config.origin} (listens on ${host === undefined ? `every address, port ${server.port}` : server.url})`,
    ...(server.internal ? [`Internal listener: ${server.internal.url}`] : []),
    ...(server.management ? [`Management listener: ${server.management.url}`] : []),
    `Redirect URI at the provider: ${config.origin}${config.basePath}/callback`,
    ...config.notices.map((notice) => `Note: ${notice}`),
  ]
  if (certificate)
    lines.push(`The certificate is ${certificate.certFile}. To have it trusted:`, `  ${certificate.howToTrust}`)
  return lines.join('\n')
}

function portOf(value: string | boolean | undefined): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && /^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value)
  throw new UsageError('--port needs a number from 0 to 65535.')
}

/** The public port is the command's to say, too. */
function startMistake(error: unknown, { listeners }: Config): unknown {
  if (!(error instanceof ListenError)) return error
  const isOfPort = error.code === 'EADDRINUSE' || error.code === 'EACCES'
  if (!isOfPort || error.said.port !== 'listeners.public') return new UsageError(error.message)
  const { port } = listeners.public
  const other = port > 1023 && port < 65_535 ? port + 1 : 3000
  return new UsageError(`${error.message} For this start alone: coatcheck serve --port ${other}`)
}
