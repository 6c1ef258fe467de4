/** Durations as an operator writes them: `'30s'`, `'15m'`, `'12h'`, `'7d'`, or a whole number of seconds. */

const secondsOfUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Whole seconds; undefined for what is not a duration. */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  const [, digits, unit] = /^(\d{1,9})([smhd])$/.exec(value) ?? []
  if (digits === undefined || unit === undefined) return undefined
  return Number(digits) * (secondsOfUnit[unit] ?? 1)
}

/** In the largest unit that says it without a fraction: `90` is `90s`, `3600` is `1h`. */
export function spokenDuration(seconds: number): string {
  const [unit, size] = Object.entries(secondsOfUnit).findLast(([, size]) => seconds % size === 0) ?? ['s', 1]
  return `${seconds / size}${unit}`
}
