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

/** What raw Node is called for while others are warmed. */
const awakeMs = 250

export interface Plan {
  readonly sizes: readonly number[]
  /** How often each is measured at each size. */
  readonly rounds: number
  /** How often each is called before. */
  readonly warmingCalls: number
}

/**
 * A, raw, B, A, raw, B, …, and then C, raw, D: whoever is measured has raw Node as a neighbour, because what the machine does
 * besides changes within seconds. They do not all take turns with all: of a process that had nothing to do for some seconds V8
 * gathers what it can, and what it had compiled for the objects of requests goes with the last of them. Raw Node, called in
 * every third slice, kept its own, and was compared with those that had lost it.
 */
export async function* measureAll(raw: Subject, others: readonly Subject[], plan: Plan): AsyncGenerator<Row> {
  const ofRaw = new Map<number, Measured[]>(plan.sizes.map((bodyBytes) => [bodyBytes, []]))
  await warmUp([raw], plan.warmingCalls)
  for (const pair of pairsOf(others)) {
    await warmUp(pair, plan.warmingCalls, raw)
    for (const [bodyBytes, rawSlices] of ofRaw) {
      const taken = await takeTurns(pair, raw, bodyBytes, plan.rounds)
      for (const [subject, slices] of taken) {
        if (subject === raw) rawSlices.push(...slices)
        else yield toRow(subject.name, bodyBytes, slices)
      }
    }
  }
  for (const [bodyBytes, slices] of ofRaw) yield toRow(raw.name, bodyBytes, slices)
}

/** One pair without anybody where nobody but raw Node is asked for. */
function pairsOf(others: readonly Subject[]): Subject[][] {
  const count = Math.max(1, Math.ceil(others.length / 2))
  return Array.from({ length: count }, (_, index) => others.slice(2 * index, 2 * index + 2))
}

/** Compiled and connected before it counts. */
async function warmUp(pair: readonly Subject[], warmingCalls: number, raw?: Subject): Promise<void> {
  const calls = new Map(pair.map((subject) => [subject, 0]))
  for (let turn = 0; turn < mostWarmingSlices; turn += 1) {
    const cold = [...calls].filter(([, count]) => count < warmingCalls)
    if (cold.length === 0) return
    for (const [subject, count] of cold) {
      calls.set(subject, count + (await measure(subject, smallBody)).latenciesMs.length)
    }
    if (raw) await measure(raw, smallBody, awakeMs)
  }
}

async function takeTurns(
  pair: readonly Subject[],
  raw: Subject,
  bodyBytes: number,
  rounds: number,
): Promise<Map<Subject, Measured[]>> {
  const turn = [...pair.slice(0, 1), raw, ...pair.slice(1)]
  // What large bodies have of their own is little code.
  for (const subject of turn) await measure(subject, bodyBytes)
  const taken = new Map<Subject, Measured[]>(turn.map((subject) => [subject, []]))
  for (let round = 0; round < rounds; round += 1) {
    const slices = new Map<Subject, Slice>()
    for (const subject of turn) slices.set(subject, await measure(subject, bodyBytes))
    const { cpuMicros } = slices.get(raw) as Slice
    for (const [subject, slice] of slices) taken.get(subject)?.push({ ...slice, ratio: slice.cpuMicros / cpuMicros })
  }
  return taken
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

export async function measure(
  { name, child, load, nextRequest }: Subject,
  bodyBytes: number,
  forMs = sliceMs,
): Promise<Slice> {
  const before = usageOf(child)
  const slice = await load
    .slice(forMs, () => nextRequest(bodyBytes))
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
