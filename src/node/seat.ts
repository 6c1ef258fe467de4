/** The place that a request to a target has, and what it counts as there, until it is over. */
import type { Places } from './places.ts'
import type { Target, Targets } from './targets.ts'

export class Seat {
  readonly #streams: Places
  readonly #targets: Targets
  readonly #target: Target
  #givePlace: () => void

  /** @param givePlace gives back the place that it has; @param streams where it goes if its answer is an event stream */
  constructor(givePlace: () => void, streams: Places, targets: Targets, target: Target) {
    this.#givePlace = givePlace
    this.#streams = streams
    this.#targets = targets
    this.#target = target
  }

  /** Its answer is an event stream. @returns false where those have all their places: it keeps the one that it has */
  moveToStreams(): boolean {
    const give = this.#streams.takeFree()
    if (give === undefined) return false
    this.#givePlace()
    this.#givePlace = give
    return true
  }

  /** To be called once. */
  leave(): void {
    this.#givePlace()
    this.#targets.release(this.#target)
  }
}
