/** Coatcheck in workerd. */
import type { RunningHandler, SystemConfig } from './system.ts'
import { startWorkerd } from './workerd.ts'

export async function startHandler(system: SystemConfig, port: number): Promise<RunningHandler> {
  const entry = new URL('../workers/contract-worker.ts', import.meta.url)
  const running = await startWorkerd(
    [{ name: 'coatcheck', entry, vars: { SYSTEM: JSON.stringify(system) }, objects: { SESSIONS: 'CoatcheckSession' } }],
    port,
  )
  return {
    // workerd's server watches for a reset, not for an end (FIN): it notices when a write to the client fails.
    noticesSilentLeaving: false,
    async setClockOffset(ms) {
      const answer = await fetch(`http://localhost:${port}/__test/clock`, { method: 'POST', body: String(ms) })
      if (answer.status !== 204) throw new Error(`The clock was not set: ${answer.status}`)
    },
    stop: () => running.stop(),
  }
}
