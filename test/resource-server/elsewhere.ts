/**
 * The guard in a runtime of the caller's choice: fetches what to verify as JSON from where the last argument says, and prints what
 * came of each token. Without anything of Node's.
 */
import {
  accessTokenVerifier,
  type GuardError,
  guarded,
  jwtGuard,
  requireScopes,
} from '../../src/resource-server/index.ts'

declare const Deno: { args: string[] } | undefined
declare const process: { argv: string[] }

const args = typeof Deno === 'undefined' ? process.argv : Deno.args
const { issuer, audience, tokens } = (await (await fetch(args.at(-1) ?? '')).json()) as {
  issuer: string
  audience: string
  tokens: string[]
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
const handle = guarded(jwtGuard({ issuer, audience }), [requireScopes('orders:read')], (_request, access) =>
  Response.json({ sub: access.sub }),
)
const ask = async (token: string) => {
  const request = new Request('https://api.example.com/orders', { headers: { authorization: `Bearer ${token}` } })
  return (await handle(request)).status
}
console.log(JSON.stringify({ results, good: await ask(tokens[0] ?? ''), bad: await ask(tokens[1] ?? '') }))
