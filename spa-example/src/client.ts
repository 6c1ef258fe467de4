/** The one Coatcheck client of this page. Every call of the app goes through it. */
import { createClient } from 'coatcheck/client'

/** What `session.claims` of the configuration lets the page see. */
export interface Claims {
  sub: string
  name?: string
  preferred_username?: string
  email?: string
}

export const client = createClient<Claims>({ warnSeconds: 60 })
