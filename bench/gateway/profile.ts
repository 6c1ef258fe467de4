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

/** Prints the functions of the one profile that is in the folder, which was taken while so many calls were served. */
export function printProfile(folder: string, calls: number): void {
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
  if (file === undefined) throw new Error(`there is no profile in ${folder}`)
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as CpuProfile
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const micros = new Map<string, number>()
  let total = 0
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    if (name.startsWith('(idle)') || name.startsWith('(root)')) continue
    const delta = timeDeltas[index] ?? 0
    micros.set(name, (micros.get(name) ?? 0) + delta)
    total += delta
  }
  console.log(`share  µs a call  function   (${(total / calls).toFixed(1)} µs in all, with start and compiling)`)
  for (const [name, time] of [...micros].sort(([, one], [, other]) => other - one).slice(0, shown)) {
    console.log(`${((100 * time) / total).toFixed(1).padStart(5)}  ${(time / calls).toFixed(2).padStart(9)}  ${name}`)
  }
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  if (url === '') return functionName
  return `${functionName || '(anonymous)'}  ${url.replace(`file://${root}`, '')}:${lineNumber + 1}`
}
