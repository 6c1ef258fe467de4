/** What the app has to say beside its pages. It outlives them: a page that says "Order created" is left at once. */
import { useSyncExternalStore } from 'react'

export interface Board {
  /** What has just been done; for a while. */
  readonly done?: string
  /** Who has signed in elsewhere, in place of the person that this page was for; until it is read. */
  readonly newPerson?: string
}

const shownMs = 6000
let board: Board = {}
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

function post(next: Board): void {
  board = next
  for (const listener of [...listeners]) listener()
}

/** Says what has been done: `Order R-1042 created`. */
export function notify(done: string): void {
  clearTimeout(timer)
  post({ ...board, done })
  timer = setTimeout(() => {
    const { done: _done, ...rest } = board
    post(rest)
  }, shownMs)
}

export function tellOfNewPerson(newPerson: string): void {
  post({ newPerson })
}

export function clearBoard(): void {
  post({})
}

export function useBoard(): Board {
  return useSyncExternalStore(subscribe, () => board)
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}
