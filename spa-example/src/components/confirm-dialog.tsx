/** Asks before something that cannot be taken back, and shows when it did not work. */
import { type ReactNode, useState } from 'react'
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
          <button type="button" className="danger" aria-disabled={isBusy} onClick={() => isBusy || void run()}>
            {confirm}
          </button>
        </>
      }
    >
      {children}
      {error !== undefined && <ProblemNotice error={error} />}
    </Dialog>
  )
}
