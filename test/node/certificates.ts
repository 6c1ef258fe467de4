/** Certificates for the tests of TLS: made anew, each its own authority. */
import { makeCertificate } from '../../src/node/self-signed.ts'

const day = 86_400_000

export function certificateFor(...hosts: string[]): { key: string; cert: string } {
  const now = Date.now()
  return makeCertificate({ hosts, notBefore: new Date(now - day), notAfter: new Date(now + day) })
}
