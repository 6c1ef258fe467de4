/**
 * A WebSocket: let in like every call, and then a tunnel (RFC 6455). The handshake's own fields pass, and nothing that
 * the browser did not offer comes back.
 */
import type { Context } from 'hono'
import type { Route } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { isWebSocketUpgrade } from '../protection/csrf.ts'
import type { HeaderList, IncomingHeaders, UpstreamRequest, UpstreamResponse, WebSockets } from '../runtime.ts'
import type { Services } from '../services.ts'
import type { KeepAlive } from '../session/sessions.ts'
import type { Admission } from './admission/admission.ts'
import { isToken } from './fields.ts'

/** What a WebSocket's call needs besides a proxied one's. */
export interface WebSocketCall {
  readonly c: Context
  readonly headers: IncomingHeaders
  readonly admission: Admission
  readonly keepAlive: KeepAlive
  /** The request for the upstream, with these fields too. */
  request(more: HeaderList): UpstreamRequest
  /** Answers with what is no 101. */
  answer(answer: UpstreamResponse): Response | Promise<Response>
}

/** Whether this call is one; elsewhere an `Upgrade` means nothing (RFC 9110 §7.8). */
export function isWebSocketCall(method: string, headers: IncomingHeaders, route: Route): boolean {
  return method === 'GET' && route.kinds.has('websocket') && isWebSocketUpgrade(headers)
}

/** @throws CoatcheckError for a handshake that is none, before anybody is troubled with it */
export function checkHandshake({ runtime }: Services, c: Context, headers: IncomingHeaders): void {
  if (!runtime.webSockets?.canOpen(c)) throw new CoatcheckError('websocket_unsupported')
  const key = headers['sec-websocket-key']
  if (headers['sec-websocket-version'] !== '13' || key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw new CoatcheckError('upgrade_required', { headers: { 'Sec-WebSocket-Version': '13' } })
  }
  if (!offered(headers, 'sec-websocket-protocol').every(isToken)) throw new CoatcheckError('invalid_request')
}

/** @throws CoatcheckError where there are too many, or the upstream cannot be reached or answers wrongly */
export async function openWebSocket(services: Services, call: WebSocketCall): Promise<Response> {
  const { c, headers, admission } = call
  const webSockets = services.runtime.webSockets as WebSockets
  // Before the upstream is troubled.
  const place = services.live.enter(admission.open)
  let answer: UpstreamResponse | undefined
  try {
    const send = () => webSockets.connect(call.request(handshakeFields(headers)))
    answer = await send()
    if (answer.status === 401 && admission.resend) answer = await admission.resend(answer, send, true)
    const { socket } = answer
    if (socket === undefined) {
      place.leave()
      return await call.answer(answer)
    }
    const fields = acceptedFields(headers, answer.headers)
    place.fill(socket, call.keepAlive)
    const accepted = answer
    return await webSockets.open(c, fields, socket, () => admission.finish(accepted))
  } catch (error) {
    place.leave()
    answer?.socket?.cancel()
    throw error
  }
}

const passed = [
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
] as const

function handshakeFields(headers: IncomingHeaders): HeaderList {
  return passed.flatMap((name) => {
    const value = headers[name]
    return value === undefined ? [] : [[name, value] as const]
  })
}

/** RFC 6455 §4.1: what was not offered cannot be chosen. Everything else in a 101 is between the upstream and us. */
function acceptedFields(asked: IncomingHeaders, answered: HeaderList): HeaderList {
  const fields: [string, string][] = []
  const linesOf = (wanted: string) => answered.filter(([name]) => name === wanted).map(([, value]) => value)
  const accept = linesOf('sec-websocket-accept')[0]
  if (accept !== undefined) fields.push(['sec-websocket-accept', accept])

  const protocols = linesOf('sec-websocket-protocol')
  if (protocols.length > 0) {
    const [protocol = ''] = protocols
    if (protocols.length > 1 || !offered(asked, 'sec-websocket-protocol').includes(protocol)) throw wrongChoice()
    fields.push(['sec-websocket-protocol', protocol])
  }

  const extensions = linesOf('sec-websocket-extensions').join(', ')
  if (extensions !== '') {
    const names = new Set(namesOf(offered(asked, 'sec-websocket-extensions')))
    if (!namesOf(extensions.split(',')).every((name) => names.has(name))) throw wrongChoice()
    fields.push(['sec-websocket-extensions', extensions])
  }
  return fields
}

function offered(headers: IncomingHeaders, name: string): string[] {
  const value = headers[name]
  return value === undefined ? [] : value.split(',').map((item) => item.trim())
}

/** Without their parameters. */
function namesOf(extensions: readonly string[]): string[] {
  return extensions.map((extension) => extension.replace(/;.*$/s, '').trim().toLowerCase())
}

function wrongChoice(): CoatcheckError {
  return new CoatcheckError('upstream_unreachable', {
    cause: new Error('a handshake answered with what was not offered'),
  })
}
