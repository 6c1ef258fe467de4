/** Which write is covered by which `WAIT`: against a real replica that is a matter of luck. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { replicaWaits } from '../../src/session/stores/redis-replicas.ts'

function setUp() {
  let now = 0
  const sent: PromiseWithResolvers<number>[] = []
  const done: string[] = []
  const failed: string[] = []
  const wait = replicaWaits({ now: () => now })
  const send = () => {
    const reply = Promise.withResolvers<number>()
    sent.push(reply)
    return reply.promise
  }
  return {
    sent,
    done,
    failed,
    write(name: string, master = 'one') {
      const told = (list: string[]) => () => void list.push(name)
      void wait(master, send).then(told(done), told(failed))
    },
    advance(ms: number) {
      now += ms
    },
  }
}

describe('writes that wait for a replica', () => {
  it('share a WAIT that is sent after all of them, and wait for the next if it was sent before (S2)', async () => {
    const { sent, done, write } = setUp()
    write('a')
    write('b')
    await turn()
    write('c')
    write('d')
    await turn()
    expect(sent).toHaveLength(1)
    sent[0]?.resolve(1)
    await turn()
    expect(done).toEqual(['a', 'b'])
    expect(sent).toHaveLength(2)
    sent[1]?.resolve(1)
    await turn()
    expect(done).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are not waited for during a second after a WAIT in vain, those of this master', async () => {
    const { sent, done, write, advance } = setUp()
    write('a')
    await turn()
    write('b')
    sent[0]?.resolve(0)
    await turn()
    write('c')
    await turn()
    expect(done).toEqual(['a', 'b', 'c'])
    expect(sent).toHaveLength(1)
    write('other', 'two')
    await turn()
    expect(sent).toHaveLength(2)
    advance(1000)
    write('d')
    await turn()
    expect(sent).toHaveLength(3)
  })

  it('fail with their own WAIT, and not with the one before', async () => {
    const { sent, done, failed, write } = setUp()
    write('a')
    await turn()
    write('b')
    sent[0]?.reject(new Error('the connection broke'))
    await turn()
    sent[1]?.resolve(1)
    await turn()
    expect([failed, done]).toEqual([['a'], ['b']])
  })
})
