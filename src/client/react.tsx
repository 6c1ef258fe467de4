/** React hooks over a client: `CoatcheckProvider`, `useSession`, and `RequireSession` for pages. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import type { Client } from './client.ts'
import type { OwnSessionList } from './own-sessions.ts'
import type { DefaultClaims } from './session.ts'
import { initialState, type SessionState } from './state.ts'

// Claims are the application's to name, where it uses them; the context carries any.
const ClientContext = createContext<Client<unknown> | undefined>(undefined)

export interface CoatcheckProviderProps<Claims> {
  client: Client<Claims>
  children?: ReactNode
}

export function CoatcheckProvider<Claims>({ client, children }: CoatcheckProviderProps<Claims>) {
  return <ClientContext value={client as Client<unknown>}>{children}</ClientContext>
}

/** The client of the provider around. Throws an Error where there is none. */
export function useClient<Claims = DefaultClaims>(): Client<Claims> {
  const client = useContext(ClientContext)
  if (client === undefined) throw new Error('There is no <CoatcheckProvider> around this component')
  return client as Client<Claims>
}

export interface UseSession<Claims>
  extends SessionState<Claims>,
    Pick<Client<Claims>, 'login' | 'logout' | 'extend' | 'secondsLeft' | 'dismissLoginError'> {
  /** Of the session, while somebody is signed in. */
  readonly claims: Claims | undefined
}

/** The session, drawn anew when it changes, and what can be done with it. */
export function useSession<Claims = DefaultClaims>(): UseSession<Claims> {
  const client = useClient<Claims>()
  const state = useSyncExternalStore(client.subscribe, client.getSession, serverState<Claims>)
  return useMemo(() => {
    const { login, logout, extend, secondsLeft, dismissLoginError } = client
    return { ...state, claims: state.session?.claims, login, logout, extend, secondsLeft, dismissLoginError }
  }, [client, state])
}

export interface UseOwnSessions {
  /** Undefined until they are there, and where they cannot be had. */
  readonly list: OwnSessionList | undefined
  /** What the last look or end failed with. */
  readonly problem: unknown
  reload(): Promise<void>
  /** Gives false where it failed: see `problem`. */
  end(id: string): Promise<boolean>
  endOthers(): Promise<boolean>
}

/** The person's sessions on every browser, looked up when the component appears and after each end. */
export function useOwnSessions(): UseOwnSessions {
  const { ownSessions } = useClient<unknown>()
  const [{ list, problem }, set] = useState<Pick<UseOwnSessions, 'list' | 'problem'>>({
    list: undefined,
    problem: undefined,
  })
  const calls = useMemo(() => {
    const run = async (work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work()
        set({ list: await ownSessions.list(), problem: undefined })
        return true
      } catch (error) {
        set((known) => ({ ...known, problem: error }))
        return false
      }
    }
    return {
      reload: async () => void (await run(async () => undefined)),
      end: (id: string) => run(() => ownSessions.end(id)),
      endOthers: () => run(() => ownSessions.endOthers()),
    }
  }, [ownSessions])
  useEffect(() => void calls.reload(), [calls])
  return { list, problem, ...calls }
}

export interface RequireSessionProps {
  children?: ReactNode
  /** Shown to who is not signed in. */
  fallback?: ReactNode
  /** Shown until it is known who is. Default: nothing. */
  loading?: ReactNode
  /** Go to sign in without asking. `fallback` is shown where that would go round in a circle. */
  autoLogin?: boolean
}

/**
 * Shows its children to who is signed in. That is for the eye: the data is guarded on the server, which is the
 * only place that can.
 */
export function RequireSession({ children, fallback = null, loading = null, autoLogin = false }: RequireSessionProps) {
  const { status, login } = useSession<unknown>()
  useEffect(() => {
    if (autoLogin && status === 'anonymous') login({ isAutomatic: true })
  }, [autoLogin, status, login])
  if (status === 'authenticated') return children
  return status === 'anonymous' ? fallback : loading
}

const onServer = initialState<never>()

/** On a server nobody is known: the first look is the page's. */
function serverState<Claims>(): SessionState<Claims> {
  return onServer
}
