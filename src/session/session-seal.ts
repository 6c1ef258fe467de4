/** What the session cookie holds: the session, and when it was last used. */
import type { Compression } from './compress.ts'
import { maxPartLength } from './cookie-parts.ts'
import type { Sealer } from './seal.ts'
import type { Session } from './session.ts'
import { decodeSession, encodeSession } from './session-codec.ts'

export interface PresentedSession {
  readonly session: Session
  /** Epoch seconds: where this seal's idle clock stands (C6). */
  readonly seenAt: number
}

export interface SessionSeals {
  /** The ID token is a hint for sign-out only, so it stays behind where it would need another cookie (C4). */
  seal(presented: PresentedSession): Promise<string>
  open(seal: string): Promise<PresentedSession | undefined>
}

export function sessionSeals(sealer: Sealer, { deflate, inflate }: Compression): SessionSeals {
  return {
    async seal({ session, seenAt }) {
      const whole = await sealer.seal(await deflate(toText(session, seenAt)))
      if (whole.length <= maxPartLength || session.idToken === undefined) return whole
      return sealer.seal(await deflate(toText({ ...session, idToken: undefined }, seenAt)))
    },

    async open(seal) {
      const deflated = await sealer.open(seal)
      const text = deflated === undefined ? undefined : await inflate(deflated)
      const separator = text?.indexOf(' ') ?? -1
      if (text === undefined || separator < 0) return undefined
      const session = decodeSession(text.slice(separator + 1))
      return session && { session, seenAt: Number(text.slice(0, separator)) }
    },
  }
}

function toText(session: Session, seenAt: number): string {
  return `${seenAt} ${encodeSession(session)}`
}
