/** Links that go ahead of an answer (RFC 8297). They are an offer: what Node does not take is left out. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { splitOutsideQuotes } from '../gateway/fields.ts'
import type { HeaderList } from '../runtime.ts'

/** Node writes no 103 without a `Link`, and refuses values that are not of this form. */
const plainLink = /^<[^>]*>(?:\s*;\s*[^;"\s]+(?:=(?:"[^;"\s]*"|[^;"\s]*))?)*$/

export function sendEarlyHints(incoming: IncomingMessage, outgoing: ServerResponse, fields: HeaderList): void {
  // RFC 9110 §15.2: not to a client of HTTP/1.0.
  if (outgoing.headersSent || outgoing.destroyed || incoming.httpVersion === '1.0') return
  const links = fields
    .filter(([name]) => name === 'link')
    .flatMap(([, value]) => splitOutsideQuotes(value, ',') ?? [])
    .filter((link) => plainLink.test(link))
  if (links.length > 0) outgoing.writeEarlyHints({ link: links })
}
