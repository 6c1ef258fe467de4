/**
 * What somebody has typed and not sent yet. It lives in this tab's storage, so that it survives a session that
 * ends and the way to the provider and back; it is its writer's alone, and gone when they sign out.
 */
import { useCallback, useState } from 'react'
import { usePerson } from './person.tsx'

const prefix = 'roastery:draft:'

export interface Draft<Value> {
  readonly value: Value
  /** It was found in the storage: the person has been here before. */
  readonly isRestored: boolean
  set(value: Value): void
  /** Back to the start; nothing is kept. */
  discard(): void
}

/** @param isValue whether what lies in the storage, perhaps from an older version of the app, is fit to use */
export function useDraft<Value>(name: string, initial: Value, isValue: (value: unknown) => boolean): Draft<Value> {
  const { claims } = usePerson()
  const key = `${prefix}${encodeURIComponent(claims.sub)}:${name}`
  const [draft, setDraft] = useState(() => {
    const kept = read(key)
    const isRestored = kept !== undefined && isValue(kept)
    return { value: isRestored ? (kept as Value) : initial, isRestored }
  })

  const set = useCallback(
    (value: Value) => {
      write(key, value)
      setDraft(({ isRestored }) => ({ value, isRestored }))
    },
    [key],
  )
  const discard = () => {
    write(key, undefined)
    setDraft({ value: initial, isRestored: false })
  }
  return { ...draft, set, discard }
}

/** Drops every draft in this tab, or those of all other people. */
export function forgetDrafts({ exceptOf }: { exceptOf?: string } = {}): void {
  const kept = exceptOf === undefined ? undefined : `${prefix}${encodeURIComponent(exceptOf)}:`
  withStorage((storage) => {
    for (const key of Object.keys(storage)) {
      const isKept = kept !== undefined && key.startsWith(kept)
      if (key.startsWith(prefix) && !isKept) storage.removeItem(key)
    }
  })
}

function read(key: string): unknown {
  return withStorage((storage) => JSON.parse(storage.getItem(key) ?? 'null') ?? undefined)
}

function write(key: string, value: unknown): void {
  withStorage((storage) => {
    if (value === undefined) storage.removeItem(key)
    else storage.setItem(key, JSON.stringify(value))
  })
}

/** Storage may be full, forbidden, or hold what is not JSON: then there are no drafts, and the form still works. */
function withStorage<Result>(work: (storage: Storage) => Result): Result | undefined {
  try {
    return work(sessionStorage)
  } catch {
    return undefined
  }
}
