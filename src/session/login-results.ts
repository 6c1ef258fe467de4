/** What a callback that comes twice is given (R12): the session, sealed for whoever began the sign-in and nobody else. */
import type { KeyContext } from './keys.ts'
import { storeUnavailable } from './refusals.ts'
import { sealer } from './seal.ts'
import type { Session } from './session.ts'
import { decodeSession, encodeSession } from './session-codec.ts'

export interface LoginResults {
  write(session: Session, secret: string): Promise<string>
  /** @throws CoatcheckError `store_unavailable` for what does not open with this secret */
  read(result: string, secret: string): Promise<Session>
  /** Of the session; it needs no secret. */
  idOf(result: string): string
}

export function loginResults(secrets: readonly string[], context: KeyContext): LoginResults {
  const resultSealer = (secret: string) => sealer(secrets, 'result', context, secret)
  const idOf = (result: string) => result.slice(0, result.indexOf('.'))
  return {
    idOf,
    write: async (session, secret) => `${session.id}.${await resultSealer(secret).seal(encodeSession(session))}`,
    async read(result, secret) {
      const text = await resultSealer(secret).open(result.slice(idOf(result).length + 1))
      const session = text === undefined ? undefined : decodeSession(text)
      if (!session) throw storeUnavailable(new Error('a result that does not open'))
      return session
    },
  }
}
