/** Several processes of `node:cluster` on one configuration (protocol.md E5). */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

async function started(...how: string[]): Promise<string> {
  const module = fileURLToPath(new URL('fixtures/clustered.ts', import.meta.url))
  return (await promisify(execFile)(process.execPath, ['--no-warnings', module, ...how])).stdout
}

describe('one process of a cluster', () => {
  it.each(['memory', 'nothing'])('does not start with %s as its store', async (where) => {
    expect(await started(where)).toMatch(/session\.store is memory, and this is one of several processes/)
  })

  it('starts with a store that all share', async () => {
    expect(await started('sqlite')).toBe('started')
  })
})

it('a process of its own starts with memory', async () => {
  expect(await started('memory', 'alone')).toBe('started')
})
