/**
 * Clients that take nothing of an answer are cut off, whoever gives it: an API, a file, the app that we are mounted in.
 * One look round for all of them, every now and then, and nothing for each call.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** An answer is let go when it has not moved for so many looks in a row: a process that was asleep cuts nobody off. */
const looks = 4
/** However long the limit, a look is a walk through what is under way. */
const longestPauseMs = 15_000

interface Waiting {
  readonly taken: number
  readonly queued: number
  readonly unmoved: number
}

/**
 * Ends answers of which bytes wait here, and none went for `stallTimeoutMs` (or up to a quarter more).
 *
 * @returns stops it
 */
export function cutOffSlowReaders(answers: Iterable<ServerResponse>, stallTimeoutMs: number): () => void {
  if (!(stallTimeoutMs > 0)) throw new RangeError('stallTimeoutMs has to be more than 0')
  const pauseMs = Math.min(stallTimeoutMs / looks, longestPauseMs)
  const mostUnmoved = Math.ceil(stallTimeoutMs / pauseMs)
  let waiting = new Map<ServerResponse, Waiting>()
  const look = () => {
    const still = new Map<ServerResponse, Waiting>()
    for (const outgoing of answers) {
      const { socket } = outgoing
      // Nothing to take, or it waits behind another answer of its connection.
      if (!socket || socket.writableLength === 0) continue
      const before = waiting.get(outgoing)
      const taken = socket.bytesWritten - socket.writableLength
      const queued = queuedBytesOf(socket)
      const unmoved = before?.taken === taken && before.queued === queued ? before.unmoved + 1 : 0
      if (unmoved >= mostUnmoved) outgoing.destroy()
      else still.set(outgoing, { taken, queued, unmoved })
    }
    waiting = still
  }
  const timer = setInterval(look, pauseMs).unref()
  return () => clearInterval(timer)
}

/** What of a piece that is being written the kernel has not taken yet: Node's own time limits look at the same. */
function queuedBytesOf(socket: Socket): number {
  return (socket as Socket & { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0
}
