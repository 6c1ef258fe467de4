import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readAddressPolicy } from '../../src/config/addresses.ts'
import type { Issues } from '../../src/config/read-object.ts'
import type { AddressPolicy } from '../../src/config/types.ts'
import { CoatcheckError } from '../../src/errors.ts'
import { checkAddress } from '../../src/protection/address-policy.ts'
import { addressBlock, clientAddresses } from '../../src/protection/client-address.ts'

function policy(input: unknown): AddressPolicy | undefined {
  const issues: Issues = []
  const read = readAddressPolicy(input, 'addresses', issues)
  expect(issues).toEqual([])
  return read
}

const behind = (...proxies: string[]) => clientAddresses(policy({ deny: proxies })?.deny ?? [])
const direct = clientAddresses([])

describe('without a trusted proxy', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:DB8:0::1', '2001:db8::1'],
    ['', undefined],
    ['not an address', undefined],
  ])('the client is the peer: %s', (peer, expected) => {
    expect(direct.of(peer, () => '203.0.113.9')).toBe(expected)
  })

  it('nobody is the client where the runtime knows no peer', () => {
    expect(direct.of(undefined, () => '203.0.113.9')).toBeUndefined()
  })
})

describe('behind trusted proxies', () => {
  const addresses = behind('10.0.0.0/8', '2001:db8::/32', '127.0.0.1')

  it.each<[string, string, string | undefined, string | undefined]>([
    ['one proxy', '10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['a chain of them', '127.0.0.1', '203.0.113.9, 10.1.1.1, 2001:db8::5', '203.0.113.9'],
    ['what the client wrote itself is not believed', '10.0.0.1', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['a client that claims to be a proxy is still the client', '10.0.0.1', '10.9.9.9, 203.0.113.9', '203.0.113.9'],
    ['a peer that is no proxy is the client, whatever it says', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a proxy that forwards nothing is the client', '10.0.0.1', undefined, '10.0.0.1'],
    ['proxies alone: the outermost', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['an IPv6 client', '10.0.0.1', '2A00:1::1', '2a00:1::1'],
    ['a port behind it', '10.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
    ['a bracketed one', '10.0.0.1', '[2a00:1::1]:4711', '2a00:1::1'],
    ['a proxy mapped into IPv6', '::ffff:10.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
    ['nobody, from a proxy of ours', '10.0.0.1', '203.0.113.9, unknown', undefined],
    ['an empty entry', '10.0.0.1', '203.0.113.9,', undefined],
  ])('%s', (_what, peer, forwardedFor, expected) => {
    expect(addresses.of(peer, () => forwardedFor)).toBe(expected)
  })

  it.each(['010.0.0.1', '0x0a.0.0.1', '10.1', '167772161', 'fe80::1%eth0', '10.0.0.1/8', '1.2.3.4.5', '::1::', ' '])(
    '%j is nobody',
    (text) => {
      expect(addresses.of('10.0.0.1', () => text)).toBeUndefined()
    },
  )

  it('a thousand claims hide nothing: the list is read from the right', () => {
    const claims = Array.from({ length: 1000 }, () => '10.0.0.9').join(', ')
    expect(addresses.of('10.0.0.1', () => `${claims}, 203.0.113.9`)).toBe('203.0.113.9')
  })

  it('whatever a client puts before, the answer is the same', () => {
    fc.assert(
      fc.property(fc.string(), (claim) => {
        expect(addresses.of('10.0.0.1', () => `${claim}, 203.0.113.9`)).toBe('203.0.113.9')
      }),
    )
  })
})

describe('who may call', () => {
  const refused = (address: string | undefined, input: unknown) => {
    try {
      checkAddress(address, policy(input))
      return false
    } catch (error) {
      expect((error as CoatcheckError).code).toBe('address_refused')
      return error instanceof CoatcheckError
    }
  }

  it.each<[boolean, string | undefined, unknown]>([
    [false, '192.0.2.7', undefined],
    [false, undefined, undefined],
    [false, '192.0.2.7', { allow: ['192.0.2.0/24'] }],
    [true, '192.0.3.7', { allow: ['192.0.2.0/24'] }],
    [true, undefined, { allow: ['192.0.2.0/24'] }],
    [true, '192.0.2.7', { allow: ['192.0.2.0/24'], deny: ['192.0.2.7'] }],
    [false, '192.0.2.8', { allow: ['192.0.2.0/24'], deny: ['192.0.2.7'] }],
    [true, '192.0.2.7', { deny: ['::ffff:192.0.2.0/120'] }],
    [false, '2001:db8::1', { deny: ['0.0.0.0/0'] }],
    [true, '2001:db8::1', { deny: ['::/0'] }],
  ])('refused: %s, %s with %j', (isRefused, address, input) => {
    expect(refused(address, input)).toBe(isRefused)
  })
})

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['2001:db8:1:2::', '2001:db8:1:2::'],
  // By a translator (RFC 6052): one caller must not use up what all of IPv4 may call.
  ['64:ff9b::c000:207', '64:ff9b::c000:207'],
  ['64:ff9b:1::c000:207', '64:ff9b:1::'],
])('%s is counted as %s', (address, block) => {
  expect(addressBlock(address)).toBe(block)
})

it.each([
  'localhost',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '010.0.0.1',
  '',
  'fe80::1%eth0',
  '::ffff:10.0.0.0/8',
])('%j is no range', (range) => {
  const issues: Issues = []
  readAddressPolicy({ allow: [range] }, 'addresses', issues)
  expect(issues.map(({ path, problem }) => `${path} ${problem}`)).toEqual(['addresses.allow[0] is no address or range'])
})
