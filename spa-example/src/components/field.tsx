/** A labelled control of a form, with its hint and its mistake tied to it for screen readers. */
import type { ReactNode } from 'react'

export interface FieldProps {
  /** Name of the field, as the API's errors say it. */
  name: string
  label: string
  hint?: string | undefined
  error?: string | undefined
  /** Gets what ties the control to its label. */
  children(control: ControlProps): ReactNode
}

export interface ControlProps {
  id: string
  name: string
  'aria-invalid'?: true
  'aria-describedby'?: string
}

export function Field({ name, label, hint, error, children }: FieldProps) {
  const id = `field-${name.replaceAll(/[^\w]+/g, '-')}`
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        name,
        ...(error && { 'aria-invalid': true as const }),
        ...(described && { 'aria-describedby': described }),
      })}
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="mistake" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  )
}
