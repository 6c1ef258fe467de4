/** What `npm run bench` tells of one way to forward calls, at one size of answers. */
export interface Row {
  readonly name: string
  readonly bodyBytes: number
  readonly requestsPerSecond: number
  /** User and system time of all threads of the process, by the kernel's accounting. Median of the slices. */
  readonly cpuMicrosPerRequest: number
  /** CPU a request, to that of `raw-node` in the neighbouring slice. */
  readonly ratioToRaw: { readonly median: number; readonly p10: number; readonly p90: number }
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly rssMiB: number
}

const columns =
  'name                       bytes    req/s   CPU us   to raw (p10-p90)       p50 ms  p99 ms  p99.9 ms  MiB'

export function printHeader(): void {
  console.log(columns)
}

export function printRow(row: Row): void {
  const { median, p10, p90 } = row.ratioToRaw
  console.log(
    [
      row.name.padEnd(24),
      String(row.bodyBytes).padStart(7),
      String(row.requestsPerSecond).padStart(8),
      row.cpuMicrosPerRequest.toFixed(1).padStart(8),
      `  ${median.toFixed(2)} (${p10.toFixed(2)}-${p90.toFixed(2)})`.padEnd(22),
      row.p50Ms.toFixed(2).padStart(7),
      row.p99Ms.toFixed(2).padStart(7),
      row.p999Ms.toFixed(2).padStart(9),
      String(row.rssMiB).padStart(4),
    ].join(' '),
  )
}
