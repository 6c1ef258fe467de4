/**
 * Makes a self-signed X.509 certificate (RFC 5280) for development. `node:crypto` signs and has the key's DER,
 * and makes no certificate; the few structures that are missing are written here. Only ever writes DER, never reads it.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP, SocketAddress } from 'node:net'

export interface CertificateOptions {
  /** DNS names and IP addresses. */
  readonly hosts: readonly string[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/** A new P-256 key and its certificate, as PEM. It is a server's, and can sign no other certificate. */
export function makeCertificate(options: CertificateOptions): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const toBeSigned = tbsCertificate(options, publicKey.export({ type: 'spki', format: 'der' }))
  const signature = sign('sha256', toBeSigned, { key: privateKey, dsaEncoding: 'der' })
  const certificate = sequence(toBeSigned, ecdsaWithSha256(), bitString(signature))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem('CERTIFICATE', certificate),
  }
}

/** RFC 5280 §4.1.2. */
function tbsCertificate({ hosts, notBefore, notAfter }: CertificateOptions, publicKeyInfo: Buffer): Buffer {
  const name = sequence(set(sequence(oid(objectIds.commonName), der(0x0c, Buffer.from('Coatcheck on this machine')))))
  return sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(serialNumber()),
    ecdsaWithSha256(),
    name,
    sequence(time(notBefore), time(notAfter)),
    name,
    publicKeyInfo,
    explicit(3, sequence(...extensions(hosts))),
  )
}

function extensions(hosts: readonly string[]): Buffer[] {
  return [
    extension(objectIds.basicConstraints, true, sequence()), // no CA
    extension(objectIds.keyUsage, true, der(0x03, Buffer.from([7, 0x80]))), // digitalSignature
    extension(objectIds.extendedKeyUsage, false, sequence(oid(objectIds.serverAuth))),
    extension(objectIds.subjectAltName, false, sequence(...hosts.map(generalName))),
  ]
}

const objectIds = {
  basicConstraints: [0x55, 0x1d, 0x13],
  commonName: [0x55, 0x04, 0x03],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  keyUsage: [0x55, 0x1d, 0x0f],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
  subjectAltName: [0x55, 0x1d, 0x11],
} as const

function extension(id: readonly number[], isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value))
}

/** RFC 5280 §4.2.1.6: dNSName [2], iPAddress [7]. */
function generalName(host: string): Buffer {
  return isIP(host) === 0 ? der(0x82, Buffer.from(host, 'ascii')) : der(0x87, addressBytes(host))
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // Node writes the shortest form; what `::` stands for is filled in.
  const [head = '', tail] = new SocketAddress({ address, family: 'ipv6' }).address.split('::')
  const groups = (part: string | undefined) => (part ? part.split(':') : [])
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** RFC 5280 §4.1.2.2: positive, not zero, at most 20 bytes. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

function ecdsaWithSha256(): Buffer {
  return sequence(oid(objectIds.ecdsaWithSha256))
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime after it. */
function time(date: Date): Buffer {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits))
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function set(...parts: readonly Buffer[]): Buffer {
  return der(0x31, Buffer.concat(parts))
}

function explicit(tag: number, content: Buffer): Buffer {
  return der(0xa0 | tag, content)
}

function oid(bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes))
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes)
}

function bitString(bytes: Buffer): Buffer {
  return der(0x03, Buffer.concat([Buffer.from([0]), bytes]))
}

/** Tag, length, content (X.690 §8.1). */
function der(tag: number, content: Buffer): Buffer {
  const length = content.length
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const lengthBytes = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content])
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
