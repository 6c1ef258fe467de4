/** The connections of a server, and the answers under way on them. */
import type http from 'node:http'
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { slots } from './slots.ts'
import type { Upgrade } from './upgrade.ts'

export type Connections = ReturnType<typeof trackConnections>

/** Knows what is under way, so that the end can be clean. */
export function trackConnections() {
  const answers = slots<ServerResponse>()
  const eventStreams = new WeakSet<ServerResponse>()
  const upgraded = new Map<Duplex, Upgrade | undefined>()
  const closeWithConnection = pipelinedAnswers()
  let closing: http.Server | undefined
  let closed: Promise<void> | undefined

  const end = (outgoing: ServerResponse) => {
    if (!outgoing.headersSent) outgoing.shouldKeepAlive = false
    // A reader of events comes back by itself; it would keep us waiting for ever.
    else if (eventStreams.has(outgoing)) outgoing.end()
  }
  return {
    /** Those under way. */
    answers: answers as Iterable<ServerResponse>,
    /** @returns how many answers are under way with this one */
    onRequest(outgoing: ServerResponse): number {
      const leave = answers.add(outgoing)
      if (outgoing.socket === null) closeWithConnection(outgoing)
      // Not `once`, which costs as much again: that it is closed is said once, and to be told twice would change nothing.
      outgoing.on('close', () => {
        leave()
        if (closing !== undefined) setImmediate(() => closing?.closeIdleConnections())
      })
      if (closing !== undefined) end(outgoing)
      return answers.size
    },
    onEventStream(outgoing: ServerResponse): void {
      eventStreams.add(outgoing)
      // Too late for a new one: its head goes out, and the reader comes back to the next process.
      if (closing !== undefined) setImmediate(() => outgoing.headersSent && outgoing.end())
    },
    /** Node's own server does not know such a connection any more. */
    onUpgrade(socket: Duplex, upgrade: Upgrade | undefined): void {
      upgraded.set(socket, upgrade)
      socket.once('close', () => upgraded.delete(socket))
    },
    close(server: http.Server, timeoutMs: number): Promise<void> {
      closed ??= new Promise((resolve) => {
        closing = server
        const timer = setTimeout(() => {
          server.closeAllConnections()
          for (const socket of upgraded.keys()) socket.destroy()
        }, timeoutMs)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
        server.closeIdleConnections()
        for (const outgoing of answers) end(outgoing)
        for (const upgrade of upgraded.values()) upgrade?.shutDown()
      })
      return closed
    },
  }
}

/**
 * Answers that wait behind another of their connection (RFC 9112 §9.3.2). Node before 24 tells none of them that the
 * connection is gone: whoever sends a hundred requests at once and leaves would take their places for ever.
 */
function pipelinedAnswers(): (outgoing: ServerResponse) => void {
  const waiting = new WeakMap<Duplex, Set<ServerResponse>>()
  const closeAll = (answers: Set<ServerResponse>) => {
    for (const outgoing of answers) {
      outgoing.destroy()
      outgoing.emit('close')
    }
  }
  return (outgoing) => {
    const { socket } = outgoing.req
    let answers = waiting.get(socket)
    if (answers === undefined) {
      const all = new Set<ServerResponse>()
      answers = all
      waiting.set(socket, all)
      // After Node has told those that it does tell.
      socket.once('close', () => setImmediate(closeAll, all))
    }
    const mine = answers.add(outgoing)
    outgoing.once('close', () => {
      mine.delete(outgoing)
      // Of one that broke off while it waited Node writes, in its turn, what there was, and then nobody ends it.
      outgoing.assignSocket = (socket) => void socket.destroySoon()
    })
  }
}
