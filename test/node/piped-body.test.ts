/** A body that goes to a sink, as a web stream. */
import { expect, test } from 'vitest'
import { type BodySink, webStreamOf } from '../../src/node/piped-body.ts'

function body() {
  const calls: string[] = []
  let sink: BodySink | undefined
  const web = webStreamOf({
    pipe(into) {
      calls.push('pipe')
      sink = into
    },
    resume: () => void calls.push('resume'),
    cancel: () => void calls.push('cancel'),
  })
  return { calls, web, write: (text: string) => sink?.write(Buffer.from(text)) }
}

test('takes nothing before somebody reads, and then a chunk ahead and no more', async () => {
  const { calls, web, write } = body()
  const reader = web.getReader()
  await new Promise((resolve) => setImmediate(resolve))
  expect(calls).toEqual([])
  const first = reader.read()
  await new Promise((resolve) => setImmediate(resolve))
  expect(calls).toEqual(['pipe'])
  expect([write('a'), write('b')]).toEqual([true, false])
  expect(Buffer.from((await first).value as Uint8Array).toString()).toBe('a')
  expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('b')
  void reader.read()
  await new Promise((resolve) => setImmediate(resolve))
  expect(calls.at(-1)).toBe('resume')
  await reader.cancel()
  expect(calls.at(-1)).toBe('cancel')
})
