/** `auth: 'none'`: anyone may call, for a reason that the configuration gives. */
import type { Admission } from './admission.ts'

const anyone: Admission = {
  authorization: () => undefined,
  caller: {},
  claims: undefined,
  finish: () => [],
}

export function admitAnyone(): Admission {
  return anyone
}
