/** As many calls as the subject takes, from a fixed number of connections, for a slice of time. */
import { Pool } from 'undici'

export interface Slice {
  readonly requests: number
  readonly seconds: number
  readonly latenciesMs: readonly number[]
}

const connections = 32

export function loadOn(port: number) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections, pipelining: 1 })
  return {
    async slice(ms: number, path: string, nextHeaders: () => Record<string, string>): Promise<Slice> {
      const latenciesMs: number[] = []
      const startedAt = performance.now()
      const end = startedAt + ms
      const one = async () => {
        while (performance.now() < end) {
          const sentAt = performance.now()
          const { statusCode, body } = await pool.request({ path, method: 'GET', headers: nextHeaders() })
          await body.dump({ limit: 8 * 1024 * 1024 })
          if (statusCode !== 200) throw new Error(`port ${port} answered ${statusCode} to ${path}`)
          latenciesMs.push(performance.now() - sentAt)
        }
      }
      await Promise.all(Array.from({ length: connections }, one))
      return { requests: latenciesMs.length, seconds: (performance.now() - startedAt) / 1000, latenciesMs }
    },
    close: () => pool.close(),
  }
}
