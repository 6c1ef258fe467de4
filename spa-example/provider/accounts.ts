/** The people who can sign in to the demo. Their passwords are shown on the sign-in page: it is a demo. */
import { createHash, timingSafeEqual } from 'node:crypto'

export interface DemoAccount {
  /** The account's identifier, and the `sub` of its tokens. */
  readonly id: string
  readonly username: string
  readonly password: string
  readonly claims: {
    readonly name: string
    readonly given_name: string
    readonly family_name: string
    readonly preferred_username: string
    readonly email: string
    readonly email_verified: boolean
  }
}

export const demoAccounts: readonly DemoAccount[] = [
  account('Ada', 'Lovelace', 'ada', 'usr_01_ada'),
  account('Grace', 'Hopper', 'grace', 'usr_02_grace'),
]

export function findAccountById(id: string): DemoAccount | undefined {
  return demoAccounts.find((candidate) => candidate.id === id)
}

/** The account that these credentials belong to. Takes as long for a name that is not there. */
export function findAccountByPassword(username: string, password: string): DemoAccount | undefined {
  const found = demoAccounts.find((candidate) => candidate.username === username.trim().toLowerCase())
  const isRight = timingSafeEqual(digest(found?.password ?? ''), digest(password))
  return isRight ? found : undefined
}

function account(given: string, family: string, username: string, id: string): DemoAccount {
  return {
    id,
    username,
    password: `${username}-demo`,
    claims: {
      name: `${given} ${family}`,
      given_name: given,
      family_name: family,
      preferred_username: username,
      email: `${username}@example.com`,
      email_verified: true,
    },
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
