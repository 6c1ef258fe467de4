/** Calls with tokens that are bound to a DPoP key (RFC 9449) or a certificate (RFC 8705), for every runtime. */
import { createHash, X509Certificate } from 'node:crypto'
import { certificateFor } from '../node/certificates.ts'
import { audience, seconds, type TestIssuer } from './issuer.ts'
import { type Key, proofKey, proofOf } from './proofs.ts'

export interface BoundCall {
  readonly name: string
  /** A GET of `/orders/1` with these. */
  readonly headers: Readonly<Record<string, string>>
  /** That of the connection, in DER. */
  readonly certificate?: Uint8Array
  readonly expected: Outcome
}

/** What it was bound to, or the problem and the part of the challenge that speaks of it. */
export type Outcome =
  | { readonly boundTo: readonly string[] }
  | { readonly code: string; readonly challenge: `${'Bearer' | 'DPoP'} realm="api", error="${string}"` }

const invalidToken = { code: 'invalid_token', challenge: 'Bearer realm="api", error="invalid_token"' } as const
const invalidProof = { code: 'invalid_dpop_proof', challenge: 'DPoP realm="api", error="invalid_dpop_proof"' } as const

/** In the order in which they are to be made: a proof that comes again comes after itself. */
export async function boundCalls(issuer: TestIssuer): Promise<BoundCall[]> {
  const sign = (cnf: Record<string, string>) => issuer.sign({ cnf, exp: seconds() + 600 })
  const byDPoP = (token: string, proof?: string) => ({
    Authorization: `DPoP ${token}`,
    ...(proof !== undefined && { DPoP: proof }),
  })
  const withProof = async (alg: string): Promise<BoundCall> => {
    const key = await proofKey(alg)
    const token = await sign({ jkt: key.jkt })
    const headers = byDPoP(token, await proofOf(key, token))
    return { name: `with a proof of its ${alg} key`, headers, expected: { boundTo: ['dpop'] } }
  }
  const key = await proofKey()
  const token = await sign({ jkt: key.jkt })
  const used = byDPoP(token, await proofOf(key, token))
  const refused = async (name: string, proof: Promise<string>): Promise<BoundCall> => {
    return { name, headers: byDPoP(token, await proof), expected: invalidProof }
  }
  const plain = await issuer.sign()

  return [
    ...(await Promise.all(['ES256', 'RS256', 'EdDSA', 'PS384'].map(withProof))),
    { name: 'with a proof', headers: used, expected: { boundTo: ['dpop'] } },
    { name: 'with that proof again', headers: used, expected: invalidProof },
    { name: 'without a proof', headers: byDPoP(token), expected: invalidProof },
    await refused(
      'with a proof of another key',
      proofKey().then((other) => proofOf(other, token)),
    ),
    await refused(
      'with a proof that another key has signed',
      proofKey().then(({ privateKey }) => proofOf(key, token, { signedBy: privateKey })),
    ),
    await refused('with a proof for another token', proofOf(key, await sign({ jkt: key.jkt }))),
    await refused('with a proof for another path', proofOf(key, token, { claims: { htu: `${audience}/orders/2` } })),
    await refused(
      'with a proof for another host',
      proofOf(key, token, { claims: { htu: 'https://a.example/orders/1' } }),
    ),
    await refused('with a proof for another method', proofOf(key, token, { claims: { htm: 'POST' } })),
    { name: 'as Bearer', headers: { Authorization: `Bearer ${token}` }, expected: invalidToken },
    {
      name: 'as Bearer, with a proof',
      headers: { Authorization: `Bearer ${token}`, DPoP: await proofOf(key, token) },
      expected: invalidToken,
    },
    {
      name: 'by DPoP, bound to nothing',
      headers: byDPoP(plain, await proofOf(key, plain)),
      expected: { code: 'invalid_token', challenge: 'DPoP realm="api", error="invalid_token"' },
    },
    ...(await callsWithCertificates(sign, key)),
  ]
}

async function callsWithCertificates(
  sign: (cnf: Record<string, string>) => Promise<string>,
  key: Key,
): Promise<BoundCall[]> {
  const [certificate, another] = [newCertificate(), newCertificate()]
  const thumbprint = createHash('sha256').update(certificate).digest('base64url')
  const headers = { Authorization: `Bearer ${await sign({ 'x5t#S256': thumbprint })}` }
  const toBoth = await sign({ 'x5t#S256': thumbprint, jkt: key.jkt })
  const byBoth = async () => ({ Authorization: `DPoP ${toBoth}`, DPoP: await proofOf(key, toBoth) })
  return [
    { name: 'with its certificate', headers, certificate, expected: { boundTo: ['mtls'] } },
    { name: 'with another certificate', headers, certificate: another, expected: invalidToken },
    { name: 'without a certificate', headers, expected: invalidToken },
    {
      name: 'with its certificate and a proof',
      headers: await byBoth(),
      certificate,
      expected: { boundTo: ['dpop', 'mtls'] },
    },
    {
      name: 'with a proof, and not its certificate',
      headers: await byBoth(),
      expected: { code: 'invalid_token', challenge: 'DPoP realm="api", error="invalid_token"' },
    },
  ]
}

/** DER. */
function newCertificate(): Uint8Array {
  return new X509Certificate(certificateFor('client.example').cert).raw
}

/** What came of a call: as `expected` has it. */
export function outcomeOf(answer: { status: number; body: string; challenge: string | null }): Outcome {
  const body = JSON.parse(answer.body)
  if (answer.status === 200) return { boundTo: body.boundTo }
  const error = /(?:Bearer|DPoP) realm="api", error="\w+"/.exec(answer.challenge ?? '')?.[0]
  return { code: `${body.code}${answer.status === 401 ? '' : ` ${answer.status}`}`, challenge: error as never }
}
