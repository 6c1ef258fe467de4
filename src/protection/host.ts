/** A request for another host than ours is not answered: nothing here is built from a name that came with a request. */
import type { Config } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import type { IncomingHeaders } from '../runtime.ts'

/**
 * `Host` has to be that of `baseUrl`; the scheme's own port may be written out.
 *
 * @throws CoatcheckError `misdirected_request`
 */
export function checkHost(headers: IncomingHeaders, config: Pick<Config, 'host' | 'isSecureOrigin'>): void {
  const host = headers.host
  if (host === config.host) return
  if (host === undefined) throw new CoatcheckError('misdirected_request')
  const name = host.toLowerCase()
  if (name === config.host) return
  const defaultPort = config.isSecureOrigin ? ':443' : ':80'
  if (name.endsWith(defaultPort) && name.slice(0, -defaultPort.length) === config.host) return
  throw new CoatcheckError('misdirected_request')
}

/**
 * Whether the internal listener is called by its own name: an IP address, which no name can stand for, localhost, or a
 * host that is listed. By any other a page in a browser may be calling, whose name was made to point here.
 *
 * @param hosts undefined where no browser can call
 */
export function isInternalHost(host: string | undefined, hosts: ReadonlySet<string> | undefined): boolean {
  if (hosts === undefined) return true
  const whole = (host ?? '').toLowerCase()
  const name = whole.replace(/:\d+$/, '')
  const isAddress = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/.test(name)
  return isAddress || name === 'localhost' || hosts.has(name) || hosts.has(whole)
}
