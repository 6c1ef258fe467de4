import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    reporters: process.env.CI ? ['default', ['json', { outputFile: 'test-results/vitest.json' }]] : ['default'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Two at least: a test file waits for a provider, a browser or a store for much of its time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
          exclude: ['test/contract/**', 'test/e2e/**', 'test/package/**', 'test/workers/**', 'test/chaos/**'],
        },
      },
      {
        extends: true,
        test: { name: 'contract:node', include: ['test/contract/**/*.test.ts'], env: { COATCHECK_RUNTIME: 'node' } },
      },
      {
        extends: true,
        test: {
          name: 'contract:workers',
          include: ['test/contract/**/*.test.ts'],
          env: { COATCHECK_RUNTIME: 'workers' },
        },
      },
      {
        extends: true,
        test: { name: 'workers', include: ['test/workers/**/*.test.ts'], env: { COATCHECK_RUNTIME: 'workers' } },
      },
      // One at a time, after the others: a browser that has to share its cores is slow, and some tokens live for seconds.
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 40_000,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'package', include: ['test/package/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 300_000 },
      },
      // Alone, after all others: it looks at how long people wait.
      {
        extends: true,
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.test.ts'],
          testTimeout: 180_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'contract:mounted',
          include: ['test/contract/**/*.test.ts'],
          // The other way to run each: in an app of one's own, and with tickets for sessions in a file.
          env: {
            COATCHECK_RUNTIME: 'node',
            COATCHECK_MOUNTED: 'true',
            COATCHECK_COORDINATOR: 'sqlite',
            COATCHECK_COOKIE: 'ticket',
          },
        },
      },
      // What is kept in the store and is no session: the suites of the stores do not see it.
      {
        extends: true,
        test: {
          name: 'contract:redis',
          include: ['test/contract/split.test.ts'],
          env: { COATCHECK_RUNTIME: 'node', COATCHECK_COORDINATOR: 'redis' },
        },
      },
    ],
  },
})
