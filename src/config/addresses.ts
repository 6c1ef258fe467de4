/** Addresses and ranges of addresses, as an operator writes them. */
import ipaddr from 'ipaddr.js'
import * as v from 'valibot'
import { list, optional, withDefault } from './fields.ts'
import { type Field, type Issues, mistake, readObject, wanted } from './read-object.ts'
import type { AddressPolicy, AddressRange } from './types.ts'

const cure = "write an address such as '192.0.2.7', or a range such as '10.0.0.0/8' or '2001:db8::/32'"

/** An address in its one form: IPv4 that is mapped into IPv6 is IPv4. Undefined for what is none, or has a zone. */
export function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Four decimal parts: `010.1` and `0x7f.1` are addresses to some readers, and different ones.
  const isPlain = text.includes(':') ? !text.includes('%') : /^\d{1,3}(\.\d{1,3}){3}$/.test(text)
  if (!isPlain || /(^|\.)0\d/.test(text) || !ipaddr.isValid(text)) return undefined
  return ipaddr.process(text)
}

/** A list of addresses and ranges. */
export function addressRanges(minimum = 0): Field<readonly AddressRange[]> {
  return v.pipe(
    list(
      v.pipe(v.string(wanted('a string', cure)), v.check(isRange, mistake('is no address or range', cure))),
      cure,
      minimum,
    ),
    v.transform((texts) => texts.map((text) => parseRange(text) as AddressRange)),
  )
}

/** Who may call at all: `allow` and `deny`, of which `deny` wins. */
export function readAddressPolicy(input: unknown, path: string, issues: Issues): AddressPolicy | undefined {
  if (input === undefined) return undefined
  const fields = { allow: optional(addressRanges(1)), deny: withDefault(addressRanges(), []) }
  return readObject(fields, input, path, issues).complete
}

function isRange(text: string): boolean {
  return parseRange(text) !== undefined
}

function parseRange(text: string): AddressRange | undefined {
  const [base = '', bits, ...rest] = text.split('/')
  const address = parseAddress(base)
  if (address === undefined || rest.length > 0) return undefined
  const length = address.kind() === 'ipv4' ? 32 : 128
  if (bits === undefined) return [address, length]
  if (!/^\d{1,3}$/.test(bits)) return undefined
  // A mapped range is counted in bits of the longer form.
  const count = base.includes(':') && address.kind() === 'ipv4' ? Number(bits) - 96 : Number(bits)
  return count >= 0 && count <= length ? [address, count] : undefined
}
