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
