/** What is made to go wrong while people work. Times are milliseconds. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { RunningProvider } from '../../spa-example/provider/index.ts'
import type { TestRedis } from '../../test/support/redis.ts'
import type { AppOptions } from './app.ts'
import type { Processes } from './processes.ts'

export interface World {
  readonly provider: RunningProvider
  readonly processes: Processes
  readonly redis: TestRedis | undefined
  readonly secrets: readonly string[]
  /** Ports that the load balancer leaves out. */
  readonly drained: Set<number>
}

export interface Scenario {
  readonly fault: string
  readonly stores: readonly AppOptions['store'][]
  /** Runs while people work, and leaves all as it was. */
  readonly inject: (world: World) => Promise<void>
  /** How long the provider takes a rotated refresh token once more. Default 0: strict. */
  readonly gracePeriodSeconds?: number
  /** Of every second process. */
  readonly clockSkewMs?: number
  /** In the short form too. */
  readonly isShort?: boolean
}

const all = ['memory', 'sqlite', 'redis'] as const
const shared = ['sqlite', 'redis'] as const
const outageMs = 2000

const providerFault =
  (fault: Parameters<RunningProvider['token']['inject']>[0], count?: number) => async (world: World) => {
    world.provider.token.inject(fault, count)
    await delay(outageMs)
    world.provider.token.clear()
  }

export const scenarios: readonly Scenario[] = [
  { fault: 'none', stores: all, inject: async () => undefined, isShort: true },
  {
    fault: 'provider-down',
    stores: all,
    async inject({ provider }) {
      await provider.goDown()
      await delay(outageMs)
      await provider.comeBack()
    },
    isShort: true,
  },
  { fault: 'provider-503', stores: all, inject: providerFault('503') },
  { fault: 'provider-slow', stores: all, inject: providerFault('hold-answer') },
  { fault: 'provider-hangs', stores: all, inject: providerFault('hang') },
  { fault: 'connection-reset', stores: all, inject: providerFault('reset') },
  {
    fault: 'answer-lost-with-grace',
    stores: all,
    inject: providerFault('lose-answer', 4),
    gracePeriodSeconds: 10,
    isShort: true,
  },
  { fault: 'answer-garbage-with-grace', stores: all, inject: providerFault('garbage', 4), gracePeriodSeconds: 10 },
  { fault: 'answer-lost-strict', stores: all, inject: providerFault('lose-answer', 4), isShort: true },
  {
    fault: 'process-killed',
    stores: shared,
    async inject({ processes, drained }) {
      const [port] = processes.ports
      await processes.kill(0)
      drained.add(port as number)
      await processes.start(0)
      drained.delete(port as number)
    },
    gracePeriodSeconds: 10,
    isShort: true,
  },
  {
    fault: 'deploy',
    stores: shared,
    async inject({ processes, drained }) {
      for (const [index, port] of processes.ports.entries()) {
        drained.add(port)
        await processes.terminate(index)
        await processes.start(index)
        drained.delete(port)
      }
    },
  },
  {
    fault: 'secrets-rotated',
    stores: shared,
    async inject({ processes, drained, secrets }) {
      const added = randomBytes(32).toString('base64url')
      // First all can open what the new one seals, then it seals.
      for (const list of [
        [...secrets, added],
        [added, ...secrets],
      ]) {
        for (const [index, port] of processes.ports.entries()) {
          drained.add(port)
          await processes.terminate(index)
          await processes.start(index, { secrets: list })
          drained.delete(port)
        }
      }
    },
  },
  { fault: 'clock-ahead', stores: shared, inject: async () => undefined, clockSkewMs: 60_000 },
  { fault: 'clock-behind', stores: shared, inject: async () => undefined, clockSkewMs: -60_000 },
  {
    fault: 'store-killed',
    stores: ['redis'],
    async inject({ redis }) {
      await redis?.kill()
      await delay(outageMs / 2)
      await redis?.startAgain()
    },
    isShort: true,
  },
  {
    fault: 'store-frozen',
    stores: ['redis'],
    async inject({ redis }) {
      redis?.freeze()
      await delay(outageMs)
      redis?.thaw()
    },
    isShort: true,
  },
]
