/**
 * Asks before something that cannot be taken back, and shows when it did not work. Where the API wants a recent sign-in for
 * it (RFC 9470), the dialog offers one.
 */
import { useSession } from 'coatcheck/react'
import { type ReactNode, useState } from 'react'
import { stepUpOf } from '../api/problem.ts'
import { Dialog } from './dialog.tsx'
import { ProblemNotice } from './problem-notice.tsx'

export interface ConfirmDialogProps {
  title: string
  children: ReactNode
  /** What the button says that does it: `Cancel order`. */
  confirm: string
  /** What the button says that does not. */
  keep: string
  /** Rejects with what is shown. */
  onConfirm(): Promise<void>
  onClose(): void
}

export function ConfirmDialog({ title, children, confirm, keep, onConfirm, onClose }: ConfirmDialogProps) {
  const [isBusy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const { login } = useSession()
  const stepUp = stepUpOf(error)

  const run = async () => {
    setBusy(true)
    try {
      await onConfirm()
    } catch (cause) {
      setError(cause)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title={title}
      onCancel={onClose}
      actions={
        <>
          <button type="button" onClick={onClose}>
            {keep}
          </button>
          {/* One button after the other in the same place, so that the focus stays. */}
          {stepUp ? (
            <button type="button" className="primary" onClick={() => login(stepUp)}>
              Sign in again
            </button>
          ) : (
            <button type="button" className="danger" aria-disabled={isBusy} onClick={() => isBusy || void run()}>
              {confirm}
            </button>
          )}
        </>
      }
    >
      {children}
      {error !== undefined && <ProblemNotice error={error} />}
    </Dialog>
  )
}
