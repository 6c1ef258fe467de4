/**
 * What a person knows a browser by: `Firefox on Windows`. No version, no model, and words of ours only, so that what is
 * kept tells nobody more than that (BFF-15).
 */

/** The first that fits: each says it is some of those below it too. */
const browsers: readonly (readonly [mark: RegExp, name: string])[] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\b(OPR|OPiOS)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|Chromium|HeadlessChrome)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.* Safari\//, 'Safari'],
]
const systems: readonly (readonly [mark: RegExp, name: string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMacintosh\b/, 'Mac'],
  [/\bLinux\b/, 'Linux'],
]
const longestLookedAt = 512

/** Empty where nothing is recognised. */
export function deviceOf(userAgent: string | undefined): string {
  const text = (userAgent ?? '').slice(0, longestLookedAt)
  const named = (list: typeof browsers) => list.find(([mark]) => mark.test(text))?.[1]
  return [named(browsers), named(systems)].filter((name) => name !== undefined).join(' on ')
}
