/**
 * A value in one cookie, or over several where it is too long for one (C4). Parts carry their count and a tag of
 * their own writing, so that parts of two versions never make a value together.
 */
import type { CookieChange, RequestCookies } from './cookie-names.ts'
import { randomId } from './session.ts'

/** Browsers take 4096 bytes of name and value; what is left is for the name and the part's own prefix. */
export const maxPartLength = 3968
const maxParts = 2
/** nginx takes 8 KB for the whole `Cookie` line: the marker and the longest sign-in cookie have to fit in beside it. */
const maxValueLength = 5600

/**
 * Undefined where the value is too long. `present` tells which left-over parts have to go; where the request does not
 * show which there are (it came from another site, so the Strict ones stayed behind), all of them.
 */
export function toCookies(
  name: string,
  value: string,
  present: RequestCookies | 'unknown',
): CookieChange[] | undefined {
  if (value.length > maxValueLength) return undefined
  const count = Math.ceil(value.length / maxPartLength)
  const changes: CookieChange[] = []
  if (count === 1) {
    changes.push({ name, value, sameSite: 'Strict' })
  } else {
    const tag = randomId(6)
    for (let index = 0; index < count; index++) {
      const part = value.slice(index * maxPartLength, (index + 1) * maxPartLength)
      changes.push({ name: partName(name, index), value: `${count}.${tag}.${part}`, sameSite: 'Strict' })
    }
    changes.push(...clear([name], present))
  }
  const firstUnused = count === 1 ? 0 : count
  const leftOver = Array.from({ length: maxParts - firstUnused }, (_, index) => partName(name, firstUnused + index))
  return [...changes, ...clear(leftOver, present)]
}

/** Every value that the request's cookies can hold under this name: at most two. */
export function fromCookies(name: string, cookies: RequestCookies): string[] {
  const values: string[] = []
  const whole = cookies.get(name)
  if (whole) values.push(whole)
  const joined = joinParts(name, cookies)
  if (joined) values.push(joined)
  return values
}

/** All cookies of this name, in whatever parts the browser holds them, gone. */
export function clearCookies(name: string, present: RequestCookies): CookieChange[] {
  return clear([name, ...Array.from({ length: maxParts }, (_, index) => partName(name, index))], present)
}

function joinParts(name: string, cookies: RequestCookies): string | undefined {
  const first = cookies.get(partName(name, 0))
  if (first === undefined) return undefined
  const [firstCount, firstTag] = first.split('.', 2)
  const count = Number(firstCount)
  if (!Number.isInteger(count) || count < 2 || count > maxParts) return undefined
  const prefix = `${firstCount}.${firstTag}.`
  let value = ''
  for (let index = 0; index < count; index++) {
    const part = cookies.get(partName(name, index))
    if (!part?.startsWith(prefix)) return undefined
    value += part.slice(prefix.length)
  }
  return value
}

function clear(names: readonly string[], present: RequestCookies | 'unknown'): CookieChange[] {
  return names
    .filter((name) => present === 'unknown' || present.has(name))
    .map((name) => ({ name, value: undefined, sameSite: 'Strict' as const }))
}

/** Looked for in every request: a text that is made anew has to be hashed anew. */
const partNames = new Map<string, readonly string[]>()

function partName(name: string, index: number): string {
  let names = partNames.get(name)
  if (names === undefined) {
    names = Array.from({ length: maxParts }, (_, at) => `${name}.${at}`)
    partNames.set(name, names)
  }
  return names[index] as string
}
