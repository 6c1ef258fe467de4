/**
 * The model's laboratory: time, timers and chance are its own, and whatever crosses the line between two parts is a step
 * that waits until it is chosen. Between two steps all code runs to its end, so a run is decided by its choices alone.
 */
import { vi } from 'vitest'

/** Something that one part has sent and another has not got yet. */
export interface Step {
  readonly label: string
  /** Who waits for it: it never comes to a process that is gone, and waits for one that is stopped. */
  readonly owner: Owner
  /** How it may turn out. The first is what happens where nothing goes wrong. */
  readonly fates: Readonly<Record<string, () => void>>
  /** It is taken, and turns out well, when so much time has passed. */
  readonly limitMs: number
  readonly bornAt: number
}

export interface Owner {
  readonly name: string
  isGone: boolean
  isStopped: boolean
}

interface Timer {
  readonly at: number
  readonly owner: Owner
  readonly run: () => void
}

export const outside: Owner = { name: 'world', isGone: false, isStopped: false }

const start = Date.UTC(2026, 0, 1)

export class Lab {
  readonly trace: string[] = []
  readonly steps: Step[] = []
  now = start
  /** Whose code runs. */
  #current: Owner = outside
  readonly #timers = new Map<number, Timer>()
  #lastTimer = 0
  #random: number

  constructor(seed: number) {
    this.#random = seed | 1
  }

  log(line: string): void {
    this.trace.push(`${((this.now - start) / 1000).toFixed(1).padStart(7)} s  ${line}`)
  }

  /** Runs `body` with this laboratory's time and chance in place of the machine's. */
  async with<Value>(body: () => Promise<Value>): Promise<Value> {
    vi.stubGlobal('setTimeout', (run: () => void, ms = 0) => this.#setTimer(run, ms))
    vi.stubGlobal('clearTimeout', (timer: number) => this.#timers.delete(timer))
    const random = vi.spyOn(crypto, 'getRandomValues').mockImplementation((array) => this.#fill(array))
    const digest = vi.spyOn(crypto.subtle, 'digest').mockImplementation(async (_name, data) => checksum(data))
    try {
      return await body()
    } finally {
      vi.unstubAllGlobals()
      random.mockRestore()
      digest.mockRestore()
    }
  }

  /** One that never comes to be is a promise that stays open, as for the code of a process that was killed. */
  send<Value>(
    owner: Owner,
    label: string,
    fates: Readonly<Record<string, () => Value | Promise<Value>>>,
    { limitMs = Number.POSITIVE_INFINITY }: { limitMs?: number } = {},
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      const settled = Object.entries(fates).map(([name, act]) => {
        const run = async () => resolve(await act())
        return [name, () => void run().catch(reject)] as const
      })
      this.steps.push({
        label: `${owner.name} ${label}`,
        owner,
        fates: Object.fromEntries(settled),
        limitMs,
        bornAt: this.now,
      })
    })
  }

  /** Steps that can be taken now. */
  ready(): Step[] {
    return this.steps.filter(({ owner }) => !owner.isStopped)
  }

  async take(step: Step, fate: string): Promise<void> {
    this.steps.splice(this.steps.indexOf(step), 1)
    this.log(`${step.label}: ${fate}`)
    await this.as(step.owner, () => step.fates[fate]?.())
  }

  /** Runs `act` and all that follows from it, up to what waits for another step. */
  async as(owner: Owner, act: () => unknown): Promise<void> {
    this.#current = owner
    act()
    await settled()
    this.#current = outside
  }

  /** Lets time pass; timers and limits come in their order. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms
    for (;;) {
      const timer = this.#nextTimer(end)
      const step = this.#nextLate(end)
      const next = Math.min(timer?.[1].at ?? end, step ? step.bornAt + step.limitMs : end)
      this.now = Math.max(this.now, next)
      if (step && step.bornAt + step.limitMs <= this.now) await this.take(step, Object.keys(step.fates)[0] as string)
      else if (timer && timer[1].at <= this.now) {
        this.#timers.delete(timer[0])
        await this.as(timer[1].owner, timer[1].run)
      } else break
    }
    this.now = end
  }

  /** All that waits for a process that is gone. */
  forget(owner: Owner): void {
    const left = this.steps.filter((step) => step.owner !== owner)
    this.steps.splice(0, this.steps.length, ...left)
    for (const [id, timer] of this.#timers) if (timer.owner === owner) this.#timers.delete(id)
  }

  /** From a process's own random bytes: decided by the seed. */
  #fill<Bytes extends ArrayBufferView>(array: Bytes): Bytes {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (const index of bytes.keys()) {
      this.#random = Math.imul(this.#random, 1664525) + 1013904223
      bytes[index] = this.#random >>> 24
    }
    return array
  }

  #setTimer(run: () => void, ms: number): number {
    this.#lastTimer += 1
    this.#timers.set(this.#lastTimer, { at: this.now + ms, owner: this.#current, run })
    return this.#lastTimer
  }

  #nextTimer(end: number): [number, Timer] | undefined {
    let first: [number, Timer] | undefined
    for (const entry of this.#timers) {
      if (entry[1].at <= end && !entry[1].owner.isStopped && (!first || entry[1].at < first[1].at)) first = entry
    }
    return first
  }

  #nextLate(end: number): Step | undefined {
    let first: Step | undefined
    for (const step of this.ready()) {
      const due = step.bornAt + step.limitMs
      if (due <= end && (!first || due < first.bornAt + first.limitMs)) first = step
    }
    return first
  }
}

/** All that can run without a step has run: nothing in the model waits for the machine. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** In place of SHA-256, which would take the machine's own time. */
function checksum(data: BufferSource): ArrayBuffer {
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer)
  const words = new Uint32Array(8)
  for (const [place] of words.entries()) {
    let hash = 0x811c9dc5 ^ place
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
    words[place] = hash
  }
  return words.buffer
}
