/** What every call has to pass before it is somebody's, and after: where it comes from, how often, and who makes it. */
import type { Route } from '../../config/types.ts'
import { checkAddress } from '../../protection/address-policy.ts'
import { checkDestination } from '../../protection/csrf.ts'
import type { HeaderList } from '../../runtime.ts'
import type { Services } from '../../services.ts'
import { addressCaller } from '../rate-limits.ts'
import { assertRouteTakes, type Target } from '../target.ts'
import type { Admission, Admit, Call } from './admission.ts'
import { admitClient } from './client.ts'
import { admitJwt } from './jwt.ts'
import { admitAnyone } from './open.ts'
import { admitPhantom } from './phantom.ts'
import { admitSession } from './session.ts'
import { admitSplit } from './split.ts'

export interface Admitted {
  readonly admission: Admission
  /** What rate limits say of the calls that are left. */
  readonly left: HeaderList
}

const admissions: Readonly<Record<Route['auth'], Admit>> = {
  session: admitSession,
  phantom: admitPhantom,
  split: admitSplit,
  jwt: admitJwt,
  client: admitClient,
  none: admitAnyone,
}

/** @throws CoatcheckError for everything that is refused */
export async function admit(services: Services, call: Call, target: Target): Promise<Admitted | Response> {
  const { rateLimiter } = services
  const { c, route, headers } = call
  assertRouteTakes(target, route)
  const address = services.clientAddress(c)
  checkAddress(address, route.addresses)
  const { byAddress, byCaller } = route.rateLimits
  const left = byAddress.length === 0 ? [] : await rateLimiter.take(byAddress, addressCaller(address))
  checkDestination(headers, route.content)
  const admission = await admissions[route.auth](services, call)
  if (admission instanceof Response) return admission
  if (byCaller.length > 0) left.push(...(await rateLimiter.take(byCaller, admission.caller)))
  return { admission, left }
}
