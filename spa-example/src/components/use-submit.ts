/** Sends a form: busy while it is under way, mistakes at their fields, the focus on the first of them. */
import { type FormEvent, type RefObject, useEffect, useRef, useState } from 'react'
import { ApiProblem } from '../api/problem.ts'

export interface Submit {
  readonly form: RefObject<HTMLFormElement | null>
  readonly isBusy: boolean
  /** What is not the matter of one field. */
  readonly error: unknown
  mistakeAt(field: string): string | undefined
  onSubmit(event: FormEvent): void
}

/** @param send rejects with an ApiProblem whose `fieldErrors` name the fields */
export function useSubmit(send: () => Promise<void>): Submit {
  const form = useRef<HTMLFormElement>(null)
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const fieldErrors = error instanceof ApiProblem ? error.fieldErrors : []

  useEffect(() => {
    if (error === undefined) return
    const first = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')
    const target = first ?? form.current?.querySelector<HTMLElement>('[role="alert"]')
    target?.focus()
  }, [error])

  const run = async () => {
    setBusy(true)
    setError(undefined)
    try {
      await send()
    } catch (cause) {
      setError(cause)
    } finally {
      setBusy(false)
    }
  }

  return {
    form,
    isBusy,
    error,
    mistakeAt: (field) => fieldErrors.find((mistake) => mistake.field === field)?.message,
    onSubmit(event) {
      event.preventDefault()
      if (!isBusy) void run()
    },
  }
}
