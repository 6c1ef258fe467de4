/** Who the page is for. Stays while an ended session waits for the person to sign in again. */
import type { Session } from 'coatcheck/client'
import { createContext, type ReactNode, useContext } from 'react'
import type { Claims } from '../client.ts'

const PersonContext = createContext<Session<Claims> | undefined>(undefined)

export function PersonProvider({ session, children }: { session: Session<Claims>; children: ReactNode }) {
  return <PersonContext value={session}>{children}</PersonContext>
}

export function usePerson(): Session<Claims> {
  const session = useOptionalPerson()
  if (session === undefined) throw new Error('There is no <PersonProvider> around this component')
  return session
}

/** Undefined where nobody is signed in. */
export function useOptionalPerson(): Session<Claims> | undefined {
  return useContext(PersonContext)
}

export function nameOf({ name, preferred_username: username, email, sub }: Claims): string {
  return name ?? username ?? email ?? sub
}

/** `AL` for Ada Lovelace. */
export function initialsOf(claims: Claims): string {
  const words = nameOf(claims).split(/\s+/)
  const letters = [words[0], words.length > 1 ? words.at(-1) : ''].map((word) => word?.charAt(0) ?? '')
  return letters.join('').toUpperCase()
}
