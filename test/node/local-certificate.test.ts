import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, get, type RequestOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { localCertificate } from '../../src/node/local-certificate.ts'
import { makeCertificate } from '../../src/node/self-signed.ts'
import { type Folder, folder } from './run-cli.ts'

const day = 86_400_000

let files: Folder
let directory: string

beforeEach(() => {
  files = folder()
  directory = join(files.path, 'cache')
})
afterEach(() => files.remove())

it('is for this machine, for servers, and can sign no other', async () => {
  const certificate = new X509Certificate(
    (await localCertificate({ directory, hosts: ['app.localhost', '[::1]'] })).cert,
  )
  expect(certificate.subjectAltName).toBe(
    'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:app.localhost',
  )
  expect(certificate.ca).toBe(false)
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' })
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / day
  expect(days).toBeLessThanOrEqual(398)
})

it('is taken by a client that trusts it, and by no other', async () => {
  const { key, cert } = await localCertificate({ directory })
  const server = createServer({ key, cert }, (_request, response) => response.end('hello'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    for (const host of ['127.0.0.1', 'localhost']) {
      const status = await statusOf({
        host: '127.0.0.1',
        port,
        ca: cert,
        servername: host === 'localhost' ? host : '',
        agent: false,
      })
      expect(status).toBe(200)
    }
    await expect(statusOf({ host: '127.0.0.1', port, agent: false })).rejects.toMatchObject({
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    })
    await expect(
      statusOf({ host: '127.0.0.1', port, ca: cert, servername: 'app.example.com', agent: false }),
    ).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  } finally {
    server.close()
  }
})

it('is kept, readable by its owner alone', async () => {
  const first = await localCertificate({ directory })
  const second = await localCertificate({ directory })
  expect(second).toEqual(first)
  expect(readdirSync(directory).sort()).toEqual(['localhost-key.pem', 'localhost.pem'])
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600)
  expect(readFileSync(first.certFile, 'utf8')).toBe(first.cert)
  expect(first.howToTrust).toContain(first.certFile)
  expect(first.howToTrust).not.toContain('localhost-key')
})

it.each<[string, (keyFile: string, certFile: string) => void]>([
  ['its key was readable by others', (keyFile) => chmodSync(keyFile, 0o644)],
  ['its key is damaged', (keyFile) => writeFileSync(keyFile, 'garbage')],
  ['it is damaged', (_keyFile, certFile) => writeFileSync(certFile, '-----BEGIN CERTIFICATE-----\nAAAA\n')],
  [
    'its key is another',
    (keyFile) =>
      writeFileSync(
        keyFile,
        makeCertificate({ hosts: ['localhost'], notBefore: new Date(), notAfter: new Date() }).key,
      ),
  ],
])('is made anew when %s', async (_why, damage) => {
  const first = await localCertificate({ directory })
  damage(join(directory, 'localhost-key.pem'), first.certFile)
  const second = await localCertificate({ directory })
  expect(second.cert).not.toBe(first.cert)
  expect(new X509Certificate(second.cert).subjectAltName).toContain('DNS:localhost')
  expect(statSync(join(directory, 'localhost-key.pem')).mode & 0o777).toBe(0o600)
})

it('is made anew a week before its end, and for a name that it lacks', async () => {
  const first = await localCertificate({ directory })
  expect((await localCertificate({ directory, now: new Date(Date.now() + 380 * day) })).cert).toBe(first.cert)
  expect((await localCertificate({ directory, hosts: ['app.localhost'] })).cert).not.toBe(first.cert)
  const second = await localCertificate({ directory, now: new Date(Date.now() + 391 * day) })
  expect(Date.parse(new X509Certificate(second.cert).validTo)).toBeGreaterThan(Date.now() + 700 * day)
})

it('is whole when two starts make it at once', async () => {
  await Promise.all(Array.from({ length: 4 }, () => localCertificate({ directory })))
  const kept = await localCertificate({ directory })
  expect(new X509Certificate(kept.cert).subjectAltName).toContain('DNS:localhost')
  expect(readdirSync(directory)).toHaveLength(2)
})

it('holds every form of date and address', () => {
  const { cert } = makeCertificate({
    hosts: ['::', '2001:db8::1:0:2', '::ffff:127.0.0.1', '10.0.0.255'],
    notBefore: new Date('2049-12-31T23:59:59Z'),
    notAfter: new Date('2050-01-01T00:00:00Z'),
  })
  const certificate = new X509Certificate(cert)
  expect(certificate.validFrom).toBe('Dec 31 23:59:59 2049 GMT')
  expect(certificate.validTo).toBe('Jan  1 00:00:00 2050 GMT')
  for (const host of ['::', '2001:db8::1:0:2', '10.0.0.255']) expect(certificate.checkIP(host)).toBe(host)
})

function statusOf(options: RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(options, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })
}
