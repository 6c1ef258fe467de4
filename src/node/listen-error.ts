/** What the system says when it does not let us listen, with what to do. */
import type { ServerOptions } from './server.ts'

/** Where the address is said: an option's name, or a setting's. */
export interface Said {
  readonly host: string
  readonly port: string
}

export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** The system's own: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, … */
  readonly code: string
  readonly said: Said

  constructor(message: string, code: string, said: Said, cause: unknown) {
    super(message, { cause })
    this.code = code
    this.said = said
  }
}

/** Gives a `ListenError` for what an operator can mend, and the error itself for everything else. */
export function listenError(error: unknown, { host, port }: Pick<ServerOptions, 'host' | 'port'>, said: Said): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const at = `Port ${port}${host === undefined ? '' : ` of ${host}`}`
  const message = messageOf(code, at, host, said)
  return message === undefined ? error : new ListenError(message, code, said, error)
}

function messageOf(code: string, at: string, host: string | undefined, said: Said): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `${at} is taken. Stop what listens there, or name another port in ${said.port}.`
    case 'EACCES':
      return `${at} may not be listened on by this user. Name one above 1023 in ${said.port}.`
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'ENOTFOUND':
      return `${host} is no address of this machine. Correct ${said.host}.`
    default:
      return undefined
  }
}
