/** Who may call, by address: an allow-list and a deny-list, of which the second wins. */
import type { AddressPolicy } from '../config/types.ts'
import { CoatcheckError } from '../errors.ts'
import { isWithin } from './client-address.ts'

/** @throws CoatcheckError `address_refused`; for an unknown address too, where there is an allow-list */
export function checkAddress(address: string | undefined, policy: AddressPolicy | undefined): void {
  if (policy === undefined) return
  const isAllowed = policy.allow === undefined || (address !== undefined && isWithin(address, policy.allow))
  if (!isAllowed || (address !== undefined && isWithin(address, policy.deny))) {
    throw new CoatcheckError('address_refused')
  }
}
