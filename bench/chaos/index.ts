/**
 * Users at work while things go wrong: Coatcheck as separate processes and in workerd, a real oidc-provider with rotation
 * and reuse detection, a real Redis, all on loopback. Prints a row for each store and fault.
 *
 *     npm run chaos                    everything, about a quarter of an hour
 *     npm run chaos -- --short         under a minute
 *     npm run chaos -- --json          the last line is one JSON object
 *     npm run chaos -- --only=redis    rows whose fault and store match this pattern
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Finding, Row } from './row.ts'
import { runRow } from './run.ts'
import { scenarios } from './scenarios.ts'
import { missed } from './targets.ts'

const isShort = process.argv.includes('--short')
const isJson = process.argv.includes('--json')
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length) ?? ''
const isWanted = new RegExp(only)
const shape = isShort ? { users: 5, accessTokenSeconds: 3 } : { users: 16, accessTokenSeconds: 4 }
/** Rows at a time: most of a row is waiting. */
const rowsAtOnce = 3

const columns = [
  ...(['store', 'fault', 'processes', 'users', 'calls', 'refreshesSent', 'refreshesNeeded'] as const),
  ...(['sessionsLost', 'unsavable', 'serverErrors', 'longestPauseMs'] as const),
]
/** The last column of the table, not in the JSON. */
const besides = 'withLiveToken'

function line(cells: readonly (string | number)[]): string {
  return cells
    .map((cell, index) => {
      const width = Math.max(8, columns[index]?.length ?? besides.length)
      return index < 2 ? String(cell).padEnd(index === 0 ? 22 : 30) : String(cell).padStart(width)
    })
    .join('  ')
}

const work = scenarios
  .flatMap((scenario) => (isShort ? (scenario.short ?? []) : scenario.stores).map((store) => ({ scenario, store })))
  .filter(({ scenario, store }) => isWanted.test(`${scenario.fault} ${store}`))

console.log(line([...columns, besides]))
const findings: Finding[] = []
const waiting = [...work]
async function runRows(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const finding = await runRow(next.scenario, next.store, shape)
    findings.push(finding)
    console.log(line([...columns.map((name) => finding.row[name]), finding.errorsWithLiveToken]))
  }
}
await Promise.all(Array.from({ length: rowsAtOnce }, runRows))
console.log(`${besides}: of the 5xx, to calls whose process had their access token, and that was alive.`)
/** Says itself what it has missed. */
const isWaitingMissed = !isShort && only === '' && !isWaitingCheap()

const order = new Map(work.map(({ scenario, store }, index) => [`${scenario.fault} ${store}`, index]))
const placeOf = ({ fault, store }: Row) => order.get(`${fault} ${store}`) ?? 0
const rows = findings.map(({ row }) => row).sort((one, other) => placeOf(one) - placeOf(other))
if (isJson) console.log(JSON.stringify({ rows }))
const broken = findings.filter(({ row }) => row.store !== 'express-openid-connect').flatMap(missed)
for (const target of broken) console.error(target)
// A handle that does not close has kept Node at its end before.
process.exit(broken.length > 0 || isWaitingMissed ? 1 : 0)

function isWaitingCheap(): boolean {
  const waiting = fileURLToPath(new URL('./waiting.ts', import.meta.url))
  return spawnSync(process.execPath, [waiting], { stdio: 'inherit' }).status === 0
}
