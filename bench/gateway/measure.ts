/** Slices in turns, and each subject's CPU beside that of raw Node in the slice next to it. */
import type { ChildProcess } from 'node:child_process'
import type { Load } from './load.ts'
import { usageOf } from './processes.ts'
import type { Row } from './row.ts'

/** A way to forward calls that stands ready to be asked. */
export interface Subject {
  readonly name: string
  readonly child: ChildProcess
  readonly load: Load
  readonly nextRequest: (bodyBytes: number) => string
}

const sliceMs = 1000
/** To warm with: of a megabyte there are not enough calls in any time that one would wait. */
const smallBody = 200
/** For what is slow, and on a machine that is busy otherwise, where these take longer than anybody waits. */
const mostWarmingSlices = 12

/** Those that have had their calls, for whatever size was measured first. */
const warm = new WeakSet<Subject>()

export interface Plan {
  /** How often each is measured, in turns. */
  readonly rounds: number
  /** How often each is called before. */
  readonly warmingCalls: number
}

export async function measureAll(
  raw: Subject,
  others: readonly Subject[],
  bodyBytes: number,
  { rounds, warmingCalls }: Plan,
): Promise<Row[]> {
  const order = withNeighbours(raw, others)
  const slices = new Map<Subject, Measured[]>(order.map((subject) => [subject, []]))
  // Compiled and connected before it counts.
  for (const subject of slices.keys()) {
    if (!warm.has(subject)) await warmUp(subject, warmingCalls)
    // What large bodies have of their own is little code.
    if (bodyBytes > smallBody) await measure(subject, bodyBytes)
  }
  for (let round = 0; round < rounds; round += 1) {
    const taken: Slice[] = []
    for (const subject of order) taken.push(await measure(subject, bodyBytes))
    for (const [index, subject] of order.entries()) {
      const neighbour = subject === raw ? index : order[index - 1] === raw ? index - 1 : index + 1
      const slice = taken[index] as Slice
      slices.get(subject)?.push({ ...slice, ratio: slice.cpuMicros / (taken[neighbour] as Slice).cpuMicros })
    }
  }
  return [...slices].map(([subject, taken]) => toRow(subject.name, bodyBytes, taken))
}

async function warmUp(subject: Subject, warmingCalls: number): Promise<void> {
  let calls = 0
  for (let slice = 0; slice < mostWarmingSlices && calls < warmingCalls; slice += 1) {
    calls += (await measure(subject, smallBody)).latenciesMs.length
  }
  warm.add(subject)
}

/**
 * Raw, A, B, raw, C, D, raw, …: whoever is measured has raw Node as a neighbour, because what the machine does besides
 * changes within seconds.
 */
function withNeighbours(raw: Subject, others: readonly Subject[]): Subject[] {
  const order = [raw]
  for (const [index, subject] of others.entries()) order.push(subject, ...(index % 2 === 1 ? [raw] : []))
  return order
}

interface Slice {
  readonly cpuMicros: number
  readonly rate: number
  readonly latenciesMs: readonly number[]
  readonly rssBytes: number
}

interface Measured extends Slice {
  readonly ratio: number
}

export async function measure({ name, child, load, nextRequest }: Subject, bodyBytes: number): Promise<Slice> {
  const before = usageOf(child)
  const slice = await load
    .slice(sliceMs, () => nextRequest(bodyBytes))
    .catch((cause: unknown) => {
      throw new Error(`${name} failed at ${bodyBytes} bytes`, { cause })
    })
  const after = usageOf(child)
  return {
    cpuMicros: (after.cpuMicros - before.cpuMicros) / slice.requests,
    rate: slice.requests / slice.seconds,
    latenciesMs: slice.latenciesMs,
    rssBytes: after.rssBytes,
  }
}

function toRow(name: string, bodyBytes: number, slices: readonly Measured[]): Row {
  const ratios = slices.map(({ ratio }) => ratio)
  const latencies = slices.flatMap(({ latenciesMs }) => latenciesMs)
  const cpu = slices.map(({ cpuMicros }) => cpuMicros)
  const rates = slices.map(({ rate }) => rate)
  return {
    name,
    bodyBytes,
    requestsPerSecond: Math.round(quantile(rates, 0.5)),
    cpuMicrosPerRequest: round(quantile(cpu, 0.5), 1),
    ratioToRaw: {
      median: round(quantile(ratios, 0.5), 3),
      p10: round(quantile(ratios, 0.1), 3),
      p90: round(quantile(ratios, 0.9), 3),
    },
    p50Ms: round(quantile(latencies, 0.5), 2),
    p99Ms: round(quantile(latencies, 0.99), 2),
    p999Ms: round(quantile(latencies, 0.999), 2),
    rssMiB: Math.round((slices.at(-1)?.rssBytes ?? 0) / 1024 / 1024),
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
