/**
 * Numbers that an operator gives. `Number()` of a variable that is not set is NaN, which is neither above nor below
 * anything: as a limit it would limit nothing.
 */

/** @throws TypeError that names the option */
export function readSeconds(value: number, name: string): number {
  if (Number.isFinite(value) && value > 0) return value
  throw new TypeError(`\`${name}\` is not a number of seconds above 0: ${value}`)
}

/** @throws TypeError that names the option */
export function readCount(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new TypeError(`\`${name}\` is not a whole number above 0: ${value}`)
}
