/**
 * Two ends of one WebSocket, joined: bytes pass as they are (compressed messages, pings and close codes with them), with
 * backpressure both ways. Frame boundaries are followed, so that a close frame can be put in from here.
 */
import type { Socket } from 'node:net'
import { closeFrame, FrameReader } from './frames.ts'

export interface TunnelOptions {
  /** A side that takes nothing for so long while there is something for it is cut off. */
  readonly stallTimeoutMs: number
  /** Closed after so long without a byte either way; 0 is never. */
  readonly idleTimeoutMs: number
}

export interface Tunnel {
  /** Sends the client a close frame and ends both connections; at once where one stands in the middle of a frame. */
  close(code: number, reason: string): void
}

/** How long the sides may take to answer a close, or to end after the other one has. */
const closingTimeoutMs = 2000
const lingerMs = 30_000
/** A peer that vanished without a word is found by this. */
const keepAliveMs = 60_000

/** RFC 6455 §7.4.1 */
const goingAway = 1001
const protocolError = 1002

/** @param onOver called once both connections are closed */
export function joinSockets(client: Socket, upstream: Socket, options: TunnelOptions, onOver: () => void): Tunnel {
  const onFrameError = () => tunnel.close(protocolError, '')
  const up = lane(client, upstream, true, options.stallTimeoutMs, onFrameError)
  const down = lane(upstream, client, false, options.stallTimeoutMs, onFrameError)
  let limit: NodeJS.Timeout | undefined
  let isClosing = false
  const destroyWithin = (ms: number) => {
    clearTimeout(limit)
    limit = setTimeout(() => {
      client.destroy()
      upstream.destroy()
    }, ms)
  }

  for (const [side, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    side.setKeepAlive(true, keepAliveMs)
    side.once('end', () => {
      if (!isClosing) destroyWithin(lingerMs)
    })
    side.once('error', () => other.destroy())
    side.once('close', () => {
      if (!other.destroyed) return other.destroySoon()
      clearTimeout(limit)
      onOver()
    })
  }
  if (options.idleTimeoutMs > 0) client.setTimeout(options.idleTimeoutMs, () => tunnel.close(goingAway, 'idle'))

  const tunnel: Tunnel = {
    close(code, reason) {
      if (isClosing) return
      isClosing = true
      destroyWithin(closingTimeoutMs)
      down.close(closeFrame(code, reason, false))
      up.close(closeFrame(goingAway, '', true))
    },
  }
  return tunnel
}

interface Lane {
  /** Writes this frame as the last one, after the frame under way. What comes from then on is dropped. */
  close(frame: Buffer): void
}

function lane(from: Socket, to: Socket, isMasked: boolean, stallTimeoutMs: number, onFrameError: () => void): Lane {
  const frames = new FrameReader(isMasked)
  let last: Buffer | undefined
  let isOver = false
  let stallTimer: NodeJS.Timeout | undefined

  const finish = () => {
    isOver = true
    if (!to.writableEnded && last !== undefined) to.end(last)
  }
  from.on('data', (chunk: Buffer) => {
    if (isOver) return
    let length: number
    try {
      length = frames.read(chunk, last !== undefined)
    } catch {
      // In the middle of what is no frame none can be put in.
      isOver = true
      to.destroySoon()
      return onFrameError()
    }
    if (length > 0 && !to.writableEnded && !to.write(chunk.subarray(0, length))) {
      from.pause()
      stallTimer ??= setTimeout(() => to.destroy(), stallTimeoutMs)
    }
    if (last !== undefined && frames.isBetweenFrames) finish()
  })
  to.on('drain', () => {
    clearTimeout(stallTimer)
    stallTimer = undefined
    from.resume()
  })
  to.once('close', () => clearTimeout(stallTimer))
  from.once('end', () => {
    isOver = true
    to.end()
  })
  from.resume()

  return {
    close(frame) {
      if (isOver) return
      last = frame
      if (frames.isBetweenFrames) finish()
    },
  }
}
