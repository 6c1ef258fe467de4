/** Where a subject's time goes, by V8's own samples: what each function takes itself, without what it calls. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

interface CpuProfile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const shown = 45
const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Prints where the time went in the one profile that is in the folder, by package and by function.
 *
 * @param calls what was served in its last `seconds`: before those code is read and compiled
 */
export function printProfile(folder: string, calls: number, seconds: number): void {
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  if (file === undefined) throw new Error(`there is no profile in ${folder}`)
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as CpuProfile
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const byPackage = new Map<string, number>()
  const byFunction = new Map<string, number>()
  const add = (sums: Map<string, number>, name: string, delta: number) => sums.set(name, (sums.get(name) ?? 0) + delta)
  let untilEnd = timeDeltas.reduce((sum, delta) => sum + delta, 0)
  let total = 0
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0
    const frame = frames.get(id)
    untilEnd -= delta
    if (untilEnd > seconds * 1e6 || !frame || isNoWork.has(frame.functionName)) continue
    add(byPackage, packageOf(frame), delta)
    add(byFunction, nameOf(frame), delta)
    total += delta
  }
  const print = (sums: Map<string, number>) => {
    for (const [name, time] of [...sums].sort(([, one], [, other]) => other - one).slice(0, shown)) {
      console.log(`${((100 * time) / total).toFixed(1).padStart(5)}  ${(time / calls).toFixed(2).padStart(9)}  ${name}`)
    }
  }
  console.log(`share  µs a call  package   (${(total / calls).toFixed(1)} µs in all)`)
  print(byPackage)
  console.log('\nshare  µs a call  function')
  print(byFunction)
}

const isNoWork = new Set(['(idle)', '(root)'])

function packageOf({ functionName, url }: Frame): string {
  if (url.startsWith('node:')) return 'node'
  if (url.startsWith('wasm:')) return 'undici (llhttp)'
  const dependency = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  return (
    dependency ?? (url === '' ? `native: ${functionName}` : url.replace(`file://${root}`, '').replace(/\/[^/]*$/, ''))
  )
}

type Frame = CpuProfile['nodes'][number]['callFrame']

function nameOf({ functionName, url, lineNumber }: Frame): string {
  if (url === '') return functionName
  return `${functionName || '(anonymous)'}  ${url.replace(`file://${root}`, '')}:${lineNumber + 1}`
}
