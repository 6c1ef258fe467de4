/**
 * A certificate for this machine alone, kept for the next start. Safari keeps no Secure cookie of plain-http
 * localhost, so development with it needs https.
 */
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto'
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate } from './self-signed.ts'

export interface LocalCertificate {
  /** PEM. */
  readonly key: string
  readonly cert: string
  readonly certFile: string
  /** A command for this system. */
  readonly howToTrust: string
}

export interface LocalCertificateOptions {
  /** Names besides `localhost`, 127.0.0.1 and ::1. */
  hosts?: readonly string[]
  /** Default: `coatcheck` in the user's cache folder. */
  directory?: string
  now?: Date
}

const day = 86_400_000
/** Apple takes no certificate of more than 825 days, and browsers ever shorter ones. */
const lifetimeMs = 397 * day
const renewBeforeMs = 7 * day

export async function localCertificate(options: LocalCertificateOptions = {}): Promise<LocalCertificate> {
  const directory = options.directory ?? cacheDirectory()
  const now = options.now ?? new Date()
  const hosts = [...new Set(['localhost', '127.0.0.1', '::1', ...(options.hosts ?? []).map(withoutBrackets)])]
  const keyFile = join(directory, 'localhost-key.pem')
  const certFile = join(directory, 'localhost.pem')
  const kept = await readKept(keyFile, certFile, hosts, now)
  const pair =
    kept ??
    makeCertificate({ hosts, notBefore: new Date(now.getTime() - day), notAfter: new Date(now.getTime() + lifetimeMs) })
  if (!kept) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writePrivately(keyFile, pair.key)
    await writePrivately(certFile, pair.cert)
  }
  return { ...pair, certFile, howToTrust: howToTrust(certFile) }
}

/** Undefined if there is none, or it is not one to go on with. */
async function readKept(
  keyFile: string,
  certFile: string,
  hosts: readonly string[],
  now: Date,
): Promise<{ key: string; cert: string } | undefined> {
  const [key, cert, mode] = await Promise.all([readText(keyFile), readText(certFile), modeOf(keyFile)])
  if (key === undefined || cert === undefined) return undefined
  // A key that others could read is not only ours any more.
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) return undefined
  return isUsable(key, cert, hosts, now) ? { key, cert } : undefined
}

function isUsable(key: string, cert: string, hosts: readonly string[], now: Date): boolean {
  try {
    const certificate = new X509Certificate(cert)
    return (
      certificate.checkPrivateKey(createPrivateKey(key)) &&
      Date.parse(certificate.validFrom) <= now.getTime() &&
      Date.parse(certificate.validTo) > now.getTime() + renewBeforeMs &&
      hosts.every((host) =>
        isAddress(host) ? certificate.checkIP(host) : certificate.checkHost(host, { wildcards: false }),
      )
    )
  } catch {
    // A damaged file is as good as none: it is made anew.
    return false
  }
}

/** In one step, so that two starts at once leave one whole file. */
async function writePrivately(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(text)
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function modeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).mode
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function cacheDirectory(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'coatcheck')
  if (process.platform === 'win32') return join(LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'coatcheck')
  return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'coatcheck')
}

/** Trusts this one certificate, which can sign no other. */
function howToTrust(certFile: string): string {
  if (process.platform === 'darwin') {
    return `security add-trusted-cert -r trustRoot -p ssl -k ~/Library/Keychains/login.keychain-db '${certFile}'`
  }
  if (process.platform === 'win32') return `certutil -user -addstore Root "${certFile}"`
  return `certutil -d sql:$HOME/.pki/nssdb -A -t P,, -n coatcheck-localhost -i '${certFile}'`
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':')
}
