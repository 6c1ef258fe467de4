/** Money, sizes and times as the person's language writes them. */

const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'EUR' })
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

export const formatCents = (cents: number) => money.format(cents / 100)
export const formatDay = (iso: string) => day.format(new Date(iso))
export const formatDayAndTime = (time: string | number) => dayAndTime.format(new Date(time))
export const formatClock = (time: string | number) => clock.format(new Date(time))

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`
  const units = ['KB', 'MB', 'GB']
  let value = bytes / 1024
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${number.format(value)} ${units[unit]}`
}

/** `9 minutes 5 seconds`, in words that a screen reader can say. */
export function formatDuration(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 3600), 'hour'],
    [Math.floor((seconds % 3600) / 60), 'minute'],
    [seconds % 60, 'second'],
  ] as const
  const shown = parts.filter(([count]) => count > 0).slice(0, 2)
  if (shown.length === 0) return '0 seconds'
  return shown.map(([count, unit]) => `${count} ${count === 1 ? unit : `${unit}s`}`).join(' ')
}
