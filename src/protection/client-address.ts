/**
 * Whose address a call comes from. Behind proxies that the configuration trusts by address it is what they say of it in
 * `X-Forwarded-For`, read from the right: the first that is no proxy of ours. What anybody else writes there is ignored
 * (RFC 9700 §4.13).
 */
import ipaddr from 'ipaddr.js'
import { parseAddress } from '../config/addresses.ts'
import type { AddressRange } from '../config/types.ts'

export interface ClientAddresses {
  /**
   * In canonical form, an IPv4 address that is mapped into IPv6 as IPv4; undefined where the runtime knows no peer, or a
   * proxy that is trusted names nobody.
   *
   * @param forwardedFor gives `X-Forwarded-For`, and is asked where a proxy may be believed: on some runtimes every field is
   *   made anew for one that is read
   */
  of(peer: string | undefined, forwardedFor: () => string | undefined): string | undefined
}

/** From the right: what is further left is a client's own doing. */
const mostForwarded = 32
const remembered = 10_000

export function clientAddresses(trustedProxies: readonly AddressRange[]): ClientAddresses {
  const canonical = memo(remembered, (text: string) => parseAddress(text)?.toString())
  if (trustedProxies.length === 0) return { of: (peer) => (peer === undefined ? undefined : canonical(peer)) }

  const isTrusted = memo(remembered, (text: string) => isWithin(text, trustedProxies))
  return {
    of(peer, forwardedFor) {
      let client = peer === undefined ? undefined : canonical(peer)
      const text = client === undefined ? undefined : forwardedFor()
      if (text === undefined) return client
      const named = text.split(',').slice(-mostForwarded)
      for (let next = named.pop(); client !== undefined && isTrusted(client); next = named.pop()) {
        if (next === undefined) return client
        // A proxy of ours that says `unknown` or garbage has told us nobody, and who is further left is anyone's claim.
        client = canonical(withoutPort(next.trim()))
      }
      return client
    },
  }
}

/** Whether a canonical address is in one of the ranges. */
export function isWithin(address: string, ranges: readonly AddressRange[]): boolean {
  const parsed = parseAddress(address)
  return (
    parsed !== undefined && ranges.some(([base, bits]) => parsed.kind() === base.kind() && parsed.match(base, bits))
  )
}

/** RFC 6052 §2.1: behind a translator all of IPv4 is in one /64. */
const translated: readonly AddressRange[] = [[ipaddr.parse('64:ff9b::'), 96]]

/**
 * What is counted as one client: an IPv4 address, or the /64 of an IPv6 address, of which one household has every one
 * (RFC 6177 §2).
 */
export function addressBlock(address: string): string {
  const parsed = parseAddress(address)
  if (parsed === undefined || parsed.kind() === 'ipv4' || isWithin(address, translated)) return address
  return ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()
}

/** Azure writes ports behind the addresses. */
function withoutPort(text: string): string {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/i.exec(text) ?? []
  return bracketed ?? plain ?? text
}

/** The same few clients call again and again. */
function memo<Value>(size: number, compute: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined || known.has(text)) return found as Value
    const value = compute(text)
    if (known.size >= size) known.clear()
    known.set(text, value)
    return value
  }
}
