/**
 * A port that nobody listens on, for what has to know its port before it starts. Below the range from which systems
 * give ports to outgoing connections: one of those may take a free port before its server listens, or while it
 * starts again.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [lowest, highest] = [12_000, 32_000]

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest, highest)
    if ((await isFree(port, '127.0.0.1')) && (await isFree(port, '::1'))) return port
  }
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer().listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    // A machine without IPv6 has nobody on it.
    return (error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL'
  }
  server.close()
  await once(server, 'close')
  return true
}
