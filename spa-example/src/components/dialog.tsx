/** A modal `<dialog>`: the browser keeps the focus inside, makes the page behind inert, and gives the focus back. */
import { type ReactNode, useEffect, useId, useRef } from 'react'

export interface DialogProps {
  title: string
  children: ReactNode
  /** Buttons. */
  actions: ReactNode
  /** The person pressed Escape. Without it the dialog stays. */
  onCancel?: () => void
}

/** Open as long as it is rendered. */
export function Dialog({ title, children, actions, onCancel }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  const textId = useId()

  useEffect(() => {
    const dialog = ref.current
    const before = document.activeElement
    dialog?.showModal()
    // React keeps `autofocus` to itself; without a word the browser takes the first button.
    dialog?.querySelector<HTMLElement>('[data-first-focus]')?.focus()
    return () => {
      dialog?.close()
      // React has taken the element away before the browser could give the focus back.
      const isThere = before instanceof HTMLElement && before.isConnected && before !== document.body
      const target = isThere ? before : document.querySelector<HTMLElement>('h1')
      target?.focus()
    }
  }, [])

  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      aria-describedby={textId}
      onCancel={(event) => {
        event.preventDefault()
        onCancel?.()
      }}
      // A second Escape closes whatever the first one was answered with.
      onClose={() => ref.current?.isConnected && ref.current.showModal()}
    >
      <h2 id={titleId}>{title}</h2>
      <div id={textId}>{children}</div>
      <div className="actions">{actions}</div>
    </dialog>
  )
}
