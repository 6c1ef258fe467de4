/** Where a person stands: what the client knows of the session now, and how the last one ended. */
import type { ClientEvents, Session } from 'coatcheck/client'
import { useClient, useSession } from 'coatcheck/react'
import { useCallback, useEffect, useState } from 'react'
import type { Claims } from '../client.ts'
import { clearBoard, tellOfNewPerson } from '../components/notice-board.ts'
import { forgetDrafts } from './drafts.ts'
import { nameOf } from './person.tsx'

export type Phase =
  | { readonly kind: 'looking' }
  | { readonly kind: 'unreachable' }
  /** `isSignedOutElsewhere`: in another tab of this browser, a moment ago. */
  | { readonly kind: 'anonymous'; readonly isSignedOutElsewhere: boolean }
  | { readonly kind: 'signed-in'; readonly session: Session<Claims> }
  /** It ended while the page was open: the page stays, for who signs in again. */
  | { readonly kind: 'expired'; readonly session: Session<Claims>; leave(): void }
  /** The page is about to leave for the provider's sign-out. */
  | { readonly kind: 'signing-out' }

export function usePhase(): Phase {
  const client = useClient<Claims>()
  const { status, session } = useSession<Claims>()
  const [ending, setEnding] = useState<ClientEvents<Claims>['signed-out']>()
  const forgetEnding = useCallback(() => setEnding(undefined), [])

  useEffect(() => {
    const stops = [
      client.on('signed-in', (event) => {
        setEnding(undefined)
        forgetDrafts({ exceptOf: event.session.claims.sub })
      }),
      client.on('changed', ({ session: { claims }, previous }) => {
        if (claims.sub === previous.claims.sub) return
        forgetDrafts({ exceptOf: claims.sub })
        tellOfNewPerson(nameOf(claims))
      }),
      client.on('signed-out', (event) => {
        setEnding(event)
        // Whoever signs out has finished; an end that nobody asked for must not cost them their work.
        if (event.reason === 'logout' || event.reason === 'other_tab') {
          forgetDrafts()
          clearBoard()
        }
      }),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }, [client])

  // Out of the back-forward cache: the sign-out that this page left for is long done.
  useEffect(() => {
    window.addEventListener('pageshow', forgetAfterCache)
    return () => window.removeEventListener('pageshow', forgetAfterCache)
    function forgetAfterCache(event: PageTransitionEvent) {
      if (event.persisted) setEnding((known) => (known?.reason === 'logout' ? undefined : known))
    }
  }, [])

  if (session !== undefined) return { kind: 'signed-in', session }
  if (status === 'loading') return { kind: 'looking' }
  if (status === 'unavailable') return { kind: 'unreachable' }
  if (ending === undefined) return { kind: 'anonymous', isSignedOutElsewhere: false }
  if (ending.reason === 'logout') return { kind: 'signing-out' }
  if (ending.reason === 'other_tab') return { kind: 'anonymous', isSignedOutElsewhere: true }
  return { kind: 'expired', session: ending.previous, leave: forgetEnding }
}
