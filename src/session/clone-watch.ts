/**
 * Signs that one session is held twice (protocol.md R10). The ledger serves an old seal with the newest tokens, so the
 * authorization server never sees the reuse that its own detection waits for: it has to be said here.
 *
 * What is known is this process's own, and bounded. These are signals for somebody to look at, not proofs: a browser that
 * was restored from a backup holds an old cookie too.
 */
import { ExpiringMap } from '../expiring-map.ts'
import type { Clock } from '../runtime.ts'

export interface Sighting {
  readonly sessionId: string
  /** The version that came. */
  readonly version: number
  /** The newest that is known. */
  readonly newestVersion: number
  /** What tells devices apart, such as `User-Agent`. */
  readonly device: string | undefined
}

interface Seen {
  readonly device: string
  readonly at: number
}

export type CloneSign = 'old_version' | 'two_devices'

const watchedSessions = 20_000
const watchedForMs = 60 * 60_000
/** Answers under way are not so late: a browser that holds the newer version does not send the older one any more. */
const longAfterMs = 2 * 60_000
/** A browser that was updated has another name, but not the old one again right after. */
const atOnceMs = 60_000

const sameSightingMs = 1000

/** Gives a sign once in an hour for each session. */
export function cloneWatch(clock: Clock): (sighting: Sighting) => CloneSign | undefined {
  const confirmed = new ExpiringMap<{ version: number; at: number }>(clock, watchedSessions)
  /** The last two devices, the newest last. */
  const devices = new ExpiringMap<readonly [earlier: Seen | undefined, latest: Seen]>(clock, watchedSessions)
  const reported = new ExpiringMap<true>(clock, watchedSessions)

  function isOldVersion({ sessionId, version, newestVersion }: Sighting, now: number): boolean {
    const known = confirmed.get(sessionId, now)
    if (version >= newestVersion && (known === undefined || known.version < version)) {
      confirmed.set(sessionId, { version, at: now }, now + watchedForMs)
    }
    return known !== undefined && version < known.version && now - known.at > longAfterMs
  }

  /** A device, another one, and the first again. */
  function isTwoDevices({ sessionId, device }: Sighting, now: number): boolean {
    if (device === undefined) return false
    const [earlier, latest] = devices.get(sessionId, now) ?? []
    const seen = { device, at: now }
    const isSame = latest?.device === device
    // Nearly every call: to the second is near enough, and nothing is written.
    if (isSame && now - latest.at < sameSightingMs) return false
    devices.set(sessionId, isSame ? [earlier, seen] : [latest, seen], now + watchedForMs)
    return !isSame && earlier?.device === device && now - earlier.at <= atOnceMs
  }

  return (sighting) => {
    const now = clock.now()
    const isOld = isOldVersion(sighting, now)
    const isTwo = isTwoDevices(sighting, now)
    if ((!isOld && !isTwo) || reported.get(sighting.sessionId, now)) return undefined
    reported.set(sighting.sessionId, true, now + watchedForMs)
    return isOld ? 'old_version' : 'two_devices'
  }
}
