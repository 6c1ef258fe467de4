/**
 * The guard in a runtime of the caller's choice: fetches what to verify as JSON from where the last argument says, and prints what
 * came of each token. Without anything of Node's.
 */
import {
  accessTokenVerifier,
  anyCaller,
  type GuardError,
  guarded,
  jwtGuard,
  requireScopes,
} from '../../src/resource-server/index.ts'
import { certificateOf } from './client-certificates.ts'

declare const Deno: { args: string[] } | undefined
declare const process: { argv: string[] }

const args = typeof Deno === 'undefined' ? process.argv : Deno.args
const { issuer, audience, tokens, boundCalls } = (await (await fetch(args.at(-1) ?? '')).json()) as {
  issuer: string
  audience: string
  tokens: string[]
  /** The fields of each. */
  boundCalls: Record<string, string>[]
}
const verifier = accessTokenVerifier({ issuer, audience })
// The first is good and comes again: the others are refused whether or not it is remembered.
await verifier.verify(tokens[0] ?? '')
const results = await Promise.all(
  tokens.map((token) =>
    verifier.verify(token).then(
      () => 'taken',
      (error: GuardError) => error.code,
    ),
  ),
)
/** In turn: a proof that comes again comes after itself. */
async function askInTurn() {
  const guard = jwtGuard({ issuer, audience, dpop: { origin: audience }, clientCertificate: certificateOf })
  const show = guarded(guard, [anyCaller()], (_request, { boundTo }) => Response.json({ boundTo }))
  const answers: { status: number; body: string; challenge: string | null }[] = []
  for (const headers of boundCalls) {
    const response = await show(new Request(`${audience}/orders/1`, { headers }))
    const challenge = response.headers.get('www-authenticate')
    answers.push({ status: response.status, body: await response.text(), challenge })
  }
  return answers
}

const handle = guarded(jwtGuard({ issuer, audience }), [requireScopes('orders:read')], (_request, access) =>
  Response.json({ sub: access.sub }),
)
const ask = async (token: string) => {
  const request = new Request('https://api.example.com/orders', { headers: { authorization: `Bearer ${token}` } })
  return (await handle(request)).status
}
console.log(
  JSON.stringify({
    results,
    good: await ask(tokens[0] ?? ''),
    bad: await ask(tokens[1] ?? ''),
    bound: await askInTurn(),
  }),
)
