/**
 * What checking a call's access token costs, side by side in one run: each library is a process of its own on one core,
 * and their slices alternate. Each slice is compared with its neighbour of bare jose: a noisy machine moves both.
 *
 *     npm run bench:guard                  25 slices of half a second for each
 *     npm run bench:guard -- --short       9 slices, about two minutes
 *     npm run bench:guard -- --json        the last line is one JSON object
 */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import {
  type Algorithm,
  algorithms,
  type Row,
  type Slice,
  type Subject,
  type SubjectOptions,
  signaturesOf,
  subjects,
} from './row.ts'

const isShort = process.argv.includes('--short')
const isJson = process.argv.includes('--json')
const slices = isShort ? 9 : 25
const sliceMs = isShort ? 300 : 500
const warmUpMs = 3000
const audience = 'https://api.example.com'
const tokensThatComeAgain = 50
/** More than a guard remembers by default, with room for calls that overtake each other. */
const tokensTooManyToRemember = 1100

const hasTaskset = spawnSync('taskset', ['-p', String(process.pid)]).status === 0
const keys: object[] = []
const server = createServer((request, response) => {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(request.url === '/jwks' ? { keys } : { issuer, jwks_uri: `${issuer}/jwks` }))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

/** As they come from a server: 700 to 1000 bytes, all different. */
async function makeTokens(alg: Algorithm): Promise<string[]> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `bench-${alg}`
  keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
  return Promise.all(
    Array.from({ length: tokensTooManyToRemember }, (_, index) =>
      new SignJWT({
        client_id: 'orders-app',
        scope: 'openid profile orders:read orders:write files:read',
        tenant: 'north',
        roles: ['roaster', 'clerk'],
        auth_time: Math.floor(Date.now() / 1000),
        acr: 'urn:example:bronze',
      })
        .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(`usr_${index}_5f2c9a1e`)
        .setJti(`jti-${alg}-${index}`)
        .setIssuedAt()
        .setExpirationTime('2h')
        .sign(privateKey),
    ),
  )
}

const manyTokens = {} as Record<Algorithm, string[]>
const fewTokens = {} as Record<Algorithm, string[]>
for (const alg of algorithms) {
  manyTokens[alg] = await makeTokens(alg)
  fewTokens[alg] = manyTokens[alg].slice(0, tokensThatComeAgain)
}

async function startSubject(name: Subject): Promise<ChildProcess> {
  const tokens = name === 'coatcheck-unseen-remembered' ? manyTokens : fewTokens
  const options: SubjectOptions = { name, issuer, audience, keys, tokens }
  const child = fork(fileURLToPath(new URL('./subject.ts', import.meta.url)), {
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  child.send(options)
  if (hasTaskset) spawnSync('taskset', ['-a', '-p', '-c', '0', String(child.pid)])
  await nextMessage(child)
  return child
}

/** Rejects if the process ends instead. */
async function nextMessage(child: ChildProcess): Promise<unknown> {
  const isOver = new AbortController()
  const { signal } = isOver
  const ended = once(child, 'exit', { signal }).then(([code]) => Promise.reject(new Error(`a subject ended: ${code}`)))
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended])
    return message
  } finally {
    ended.catch(() => undefined)
    isOver.abort()
  }
}

async function slice(child: ChildProcess, alg: Algorithm, ms = sliceMs): Promise<Slice> {
  child.send({ alg, ms })
  return (await nextMessage(child)) as Slice
}

/** @throws if the slice is not of what its row is called */
function assertMeasures(name: Subject, { calls, signatures }: Slice): void {
  const expected = signaturesOf[name]
  // Where keys have become old and are fetched again, what is remembered is verified once more.
  const isRight = expected === 'each' ? signatures === calls : !expected || signatures <= tokensThatComeAgain
  if (!isRight) throw new Error(`${name} verified ${signatures} signatures in ${calls} calls, and not ${expected}`)
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

const round = (value: number, digits: number) => Number(value.toFixed(digits))
const children = new Map<Subject, ChildProcess>()
const rows: Row[] = []
try {
  for (const name of subjects) children.set(name, await startSubject(name))
  console.log('alg    name                          calls/s  CPU us  CPU to bare jose (p10-p90)')
  for (const alg of algorithms) {
    const measured = new Map(
      subjects.map((name) => [name, { rates: [], cpu: [], ratios: [] } as Record<string, number[]>] as const),
    )
    // Compiled before it counts: some thousand calls.
    for (const child of children.values()) await slice(child, alg, warmUpMs)
    for (let turn = 0; turn < slices; turn++) {
      let bare = Number.NaN
      for (const name of subjects) {
        const done = await slice(children.get(name) as ChildProcess, alg)
        assertMeasures(name, done)
        const { calls, seconds, cpuMicros } = done
        const cpu = cpuMicros / calls
        if (name === 'bare-jose') bare = cpu
        const of = measured.get(name)
        of?.rates?.push(calls / seconds)
        of?.cpu?.push(cpu)
        of?.ratios?.push(cpu / bare)
      }
    }
    for (const [name, { rates = [], cpu = [], ratios = [] }] of measured) {
      const row: Row = {
        alg,
        name,
        callsPerSecond: Math.round(quantile(rates, 0.5)),
        cpuMicrosPerCall: round(quantile(cpu, 0.5), 1),
        cpuToBareJose: {
          median: round(quantile(ratios, 0.5), 3),
          p10: round(quantile(ratios, 0.1), 3),
          p90: round(quantile(ratios, 0.9), 3),
        },
      }
      rows.push(row)
      const { median, p10, p90 } = row.cpuToBareJose
      console.log(
        [
          alg.padEnd(6),
          name.padEnd(27),
          String(row.callsPerSecond).padStart(9),
          row.cpuMicrosPerCall.toFixed(1).padStart(7),
          ` ${median.toFixed(2)} (${p10.toFixed(2)}-${p90.toFixed(2)})`,
        ].join(' '),
      )
    }
  }
  if (isJson) console.log(JSON.stringify({ rows }))
} finally {
  for (const child of children.values()) child.kill('SIGKILL')
  server.close()
  server.closeAllConnections()
}
