/** What every call has to pass before it is somebody's, and after: where it comes from, how often, and who makes it. */
import type { Route } from '../../config/types.ts'
import { checkAddress } from '../../protection/address-policy.ts'
import { checkDestination } from '../../protection/csrf.ts'
import type { Services } from '../../services.ts'
import { addressCaller, type Callers } from '../rate-limits.ts'
import { assertRouteTakes, type Target } from '../target.ts'
import type { Admission, Admit, Call } from './admission.ts'
import { admitClient } from './client.ts'
import { admitJwt } from './jwt.ts'
import { admitAnyone } from './open.ts'
import { admitPhantom } from './phantom.ts'
import { admitSession } from './session.ts'
import { admitSplit } from './split.ts'

const admissions: Readonly<Record<Route['auth'], Admit>> = {
  session: admitSession,
  phantom: admitPhantom,
  split: admitSplit,
  jwt: admitJwt,
  client: admitClient,
  none: admitAnyone,
}

/**
 * Gives an answer instead where a problem document would not do.
 *
 * @throws CoatcheckError, or rejects with one, for everything that is refused
 */
export function admit(services: Services, call: Call, target: Target): Admission | Promise<Admission | Response> {
  const { c, route, headers } = call
  assertRouteTakes(target, route)
  const address = services.clientAddress(c)
  checkAddress(address, route.addresses)
  const { byAddress, byCaller } = route.rateLimits
  if (byAddress.length > 0 || byCaller.length > 0) return admitCounted(services, call, addressCaller(address))
  checkDestination(headers, route.content)
  return admissions[route.auth](services, call)
}

async function admitCounted(services: Services, call: Call, address: Callers): Promise<Admission | Response> {
  const { rateLimiter } = services
  const { route, headers } = call
  const { byAddress, byCaller } = route.rateLimits
  const left = await rateLimiter.take(byAddress, address)
  checkDestination(headers, route.content)
  const admission = await admissions[route.auth](services, call)
  if (admission instanceof Response) return admission
  return { ...admission, left: [...left, ...(await rateLimiter.take(byCaller, admission.caller))] }
}
