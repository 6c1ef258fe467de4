/** What happened to the session, for those who must act on it once (`subscribe` tells what is). */
import type { Session } from './session.ts'

export interface ClientEvents<Claims> {
  'signed-in': { readonly session: Session<Claims> }
  'signed-out': { readonly reason: SignedOutReason; readonly previous: Session<Claims> }
  /** Another session than the last one of this page: perhaps the same person again, perhaps somebody else. */
  changed: { readonly session: Session<Claims>; readonly previous: Session<Claims> }
}

/**
 * `logout`: here; `other_tab`: by the person, in another tab of this browser; `expired`: its time was over;
 * `login_required`: a call was refused; `elsewhere`: any other way.
 */
export type SignedOutReason = 'logout' | 'other_tab' | 'expired' | 'login_required' | 'elsewhere'

export interface Emitter<Events> {
  on<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => void): () => void
  emit<Type extends keyof Events>(type: Type, event: Events[Type]): void
}

export function createEmitter<Events>(): Emitter<Events> {
  const listeners = new Set<{ type: keyof Events; listener: (event: never) => void }>()
  return {
    on(type, listener) {
      const entry = { type, listener }
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
    emit(type, event) {
      for (const entry of [...listeners]) if (entry.type === type) entry.listener(event as never)
    },
  }
}
