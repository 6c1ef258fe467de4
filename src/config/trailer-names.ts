/** Names of trailer fields that an operator may let through to the browser. */
import * as v from 'valibot'
import { type Field, mistake, wanted } from './read-object.ts'

/** RFC 9110 §6.5.1: what frames, routes, controls or describes a message has to come before its content. */
const never: ReadonlySet<string> = new Set(
  [
    'age authorization cache-control connection content-encoding content-length content-location content-range',
    'content-type content-disposition cookie date expires host keep-alive location max-forwards pragma range',
    'retry-after set-cookie te trailer transfer-encoding upgrade vary warning www-authenticate',
  ].flatMap((names) => names.split(' ')),
)

/** Gives the name in lower case. */
export function trailerName(): Field<string> {
  const cure = 'write the name of a trailer field, such as server-timing'
  return v.pipe(
    v.string(wanted('a string', cure)),
    v.toLowerCase(),
    v.regex(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, mistake('is not the name of a field', cure)),
    v.check(
      (name) => !never.has(name) && !/^(?:access-control|content-security|if|proxy|sec)-/.test(name),
      mistake('is a field that may not be a trailer (RFC 9110 §6.5.1)', 'leave it out'),
    ),
  )
}
