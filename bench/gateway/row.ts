/** What `npm run bench` tells of one way to forward calls, at one size of answers. */
export interface Row {
  readonly name: string
  readonly bodyBytes: number
  readonly requestsPerSecond: number
  /** User and system time of the whole process, by its own accounting. */
  readonly cpuMicrosPerRequest: number
  /** CPU a request, to that of `raw-node` in the neighbouring slice. */
  readonly ratioToRaw: { readonly median: number; readonly p10: number; readonly p90: number }
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly rssMiB: number
}
