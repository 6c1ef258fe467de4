/**
 * As many calls as the subject takes, from a fixed number of connections, for a slice of time. Over bare sockets: a
 * client that costs more than what it measures leaves that idle, and an idle process costs more a call than a busy one.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Slice {
  readonly requests: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
}

export interface Load {
  /** @param nextRequest the whole request as text, without a body */
  slice(ms: number, nextRequest: () => string): Promise<Slice>
  close(): void
}

const connections = 32

/** @param onSetCookie gets the value of each `Set-Cookie` that an answer brings */
export function loadOn(port: number, onSetCookie: (value: string) => void = () => undefined): Load {
  const clients: Client[] = []
  return {
    async slice(ms, nextRequest) {
      for (let index = 0; index < connections; index += 1) {
        if (clients[index]?.isOpen() !== true) clients[index] = await open(port)
      }
      const latenciesMs: number[] = []
      const startedAt = performance.now()
      await Promise.all(clients.map((client) => client.run(startedAt + ms, nextRequest, latenciesMs, onSetCookie)))
      return { requests: latenciesMs.length, seconds: (performance.now() - startedAt) / 1000, latenciesMs }
    },
    close() {
      for (const client of clients) client.close()
    },
  }
}

type Client = Awaited<ReturnType<typeof open>>

async function open(port: number) {
  const socket = connect(port, '127.0.0.1').setNoDelay()
  await once(socket, 'connect')
  return {
    isOpen: () => socket.readyState === 'open',
    run: (until: number, nextRequest: () => string, latenciesMs: number[], onSetCookie: (value: string) => void) =>
      repeat(socket, until, nextRequest, latenciesMs, onSetCookie),
    close: () => socket.destroy(),
  }
}

/** One call after the other, until it is late. */
function repeat(
  socket: Socket,
  until: number,
  nextRequest: () => string,
  latenciesMs: number[],
  onSetCookie: (value: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let sentAt = 0
    let answer = new Answer()
    const send = () => {
      answer = new Answer()
      sentAt = performance.now()
      socket.write(nextRequest())
    }
    const onData = (chunk: Buffer) => {
      answer.push(chunk)
      if (!answer.isComplete) return
      if (answer.status !== 200) return stop(new Error(`answered ${answer.status}`))
      for (const value of answer.cookies) onSetCookie(value)
      const now = performance.now()
      latenciesMs.push(now - sentAt)
      if (now < until) send()
      else stop()
    }
    const onClose = () => stop(new Error('the connection was closed'))
    const stop = (error?: Error) => {
      socket.off('data', onData).off('close', onClose).off('error', stop)
      if (error === undefined) resolve()
      else reject(error)
    }
    socket.on('data', onData).on('close', onClose).on('error', stop)
    send()
  })
}

/** As much of an HTTP/1.1 answer as has to be understood to know where it ends. */
class Answer {
  status = 0
  isComplete = false
  cookies: string[] = []
  #head = ''
  #missing = 0
  #isChunked = false
  #end = ''

  push(chunk: Buffer): void {
    if (this.status !== 0) {
      this.#body(chunk, chunk.length)
      return
    }
    this.#head += chunk.toString('latin1')
    const length = this.#head.indexOf('\r\n\r\n')
    if (length < 0) return
    const spelled = this.#head.slice(0, length)
    const head = spelled.toLowerCase()
    if (head.includes('\r\nset-cookie:')) {
      this.cookies = [...spelled.matchAll(/\r\nset-cookie: *([^\r\n]*)/gi)].map(([, value = '']) => value)
    }
    this.status = Number(head.slice(9, 12))
    this.#isChunked = head.includes('\r\ntransfer-encoding: chunked')
    this.#missing = Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0)
    this.#body(chunk, this.#head.length - length - 4)
  }

  #body(chunk: Buffer, length: number): void {
    this.#missing -= length
    if (!this.#isChunked) {
      this.isComplete = this.#missing === 0
      return
    }
    // The bodies here hold no such bytes.
    this.#end = (this.#end + chunk.toString('latin1', Math.max(chunk.length - 5, chunk.length - length))).slice(-5)
    this.isComplete = this.#end === '0\r\n\r\n'
  }
}
