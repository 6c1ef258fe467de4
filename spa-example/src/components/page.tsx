/** The frame of a page: its title in the tab, its heading, and the focus on it after a change of route. */
import { type ReactNode, useEffect, useRef } from 'react'

export interface PageProps {
  title: string
  /** Beside the heading. */
  actions?: ReactNode
  /** Under the heading. */
  lead?: ReactNode
  children?: ReactNode
}

const appName = 'Coatcheck Roastery'
let isFirstPage = true

export function Page({ title, actions, lead, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null)

  useEffect(() => {
    document.title = `${title} · ${appName}`
  }, [title])

  useEffect(() => {
    // When the app has just loaded, the focus belongs where the browser has put it.
    if (!isFirstPage) heading.current?.focus({ preventScroll: true })
    isFirstPage = false
  }, [])

  return (
    <>
      <div className="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead && <p className="lead">{lead}</p>}
        </div>
        {actions && <div className="actions">{actions}</div>}
      </div>
      {children}
    </>
  )
}
