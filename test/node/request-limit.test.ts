import { expect, test } from 'vitest'
import { defaultMaxRequests, memoryOf } from '../../src/node/request-limit.ts'

const mebibyte = 1024 * 1024

test.each([
  ['a small container', 256 * mebibyte, 2048],
  ['half a gibibyte', 512 * mebibyte, 4096],
  ['just enough', 2048 * mebibyte, 16_384],
  ['plenty', 512 * 1024 * mebibyte, 16_384],
  ['next to nothing', 1, 1],
])('%s has room for so many answers', (_what, memoryBytes, expected) => {
  expect(defaultMaxRequests(memoryBytes)).toBe(expected)
})

test.each<[string, number | undefined, number]>([
  ['a limit', 512 * mebibyte, 512 * mebibyte],
  ['none', 0, 8192 * mebibyte],
  ['nothing that is known', undefined, 8192 * mebibyte],
  ['no limit, as a version 1 cgroup has it', 2 ** 63, 8192 * mebibyte],
  ['no limit, as libuv has it', 2 ** 64, 8192 * mebibyte],
])('a process with %s', (_what, constrainedBytes, expected) => {
  expect(memoryOf(constrainedBytes, 8192 * mebibyte)).toBe(expected)
})
