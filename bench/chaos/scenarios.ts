/** What is made to go wrong while people work. Times are milliseconds. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { RunningProvider, TokenFault } from '../../spa-example/provider/index.ts'
import type { Step } from './app.ts'
import type { Processes } from './processes.ts'
import type { RedisPlace } from './redis-place.ts'

export type StoreName =
  | 'cookie+memory'
  | 'cookie+sqlite'
  | 'cookie+redis'
  | 'cookie+durable-object'
  | 'ticket+sqlite'
  | 'ticket+redis'
  | 'ticket+durable-object'
  | 'express-openid-connect'

export interface World {
  readonly provider: RunningProvider
  /** Of Coatcheck on Node. */
  readonly processes: Processes | undefined
  readonly redis: RedisPlace | undefined
  readonly secrets: readonly string[]
  readonly accessTokenSeconds: number
  /** Ports that the load balancer leaves out. */
  readonly drained: Set<number>
  /** Whether everybody's machine sleeps. */
  setAsleep(isAsleep: boolean): void
  /** A process has been killed, now. */
  noteDeath(): void
}

export interface Scenario {
  readonly fault: string
  readonly stores: readonly StoreName[]
  /** Runs while people work, and leaves all as it was. */
  readonly inject: (world: World) => Promise<void>
  /** How long the provider takes a rotated refresh token once more. Default 0: strict. */
  readonly gracePeriodSeconds?: number
  /** Of every second process. */
  readonly clockSkewMs?: number
  /** Default: as short as the run allows. */
  readonly accessTokenSeconds?: number
  /** A process is killed, and with it perhaps the answer that it holds. */
  readonly killsHolder?: boolean
  /** What the store held is gone. */
  readonly losesData?: boolean
  /** Stores of the short form. */
  readonly short?: readonly StoreName[]
}

const onNode = ['cookie+sqlite', 'ticket+sqlite', 'cookie+redis', 'ticket+redis'] as const
const onBoth = [...onNode, 'cookie+durable-object', 'ticket+durable-object'] as const
const inRedis = ['cookie+redis', 'ticket+redis'] as const
const outageMs = 2000
/** Longer than a lease: who takes over from a dead process repeats its request. */
const longGraceSeconds = 30
/** A dead process's lease lapses: three times the provider's time limit, five seconds, and what is waited then. */
export const leaseMs = 14_000

const tokenFault = (fault: TokenFault, count?: number) => async (world: World) => {
  world.provider.token.inject(fault, count)
  await delay(outageMs)
  world.provider.token.clear()
}

/** One process after the other leaves the load balancer, ends, starts again and comes back. */
async function restartAll({ processes, drained }: World, changes = {}): Promise<void> {
  for (const [index, port] of processes?.ports.entries() ?? []) {
    drained.add(port)
    await processes?.terminate(index)
    await processes?.start(index, changes)
    drained.delete(port)
  }
}

const killed = (step: Step) => async (world: World) => {
  const { processes, drained, provider } = world
  const port = processes?.ports[0] as number
  if (step === 'request-sent') provider.token.inject('hold-answer')
  await processes?.killAt(0, step, world.accessTokenSeconds * 3000)
  world.noteDeath()
  provider.token.clear()
  drained.add(port)
  await processes?.start(0)
  drained.delete(port)
}

export const scenarios: readonly Scenario[] = [
  {
    fault: 'none',
    stores: ['cookie+memory', ...onBoth, 'express-openid-connect'],
    inject: async () => undefined,
    short: ['cookie+sqlite', 'express-openid-connect'],
  },
  { fault: 'laptop-sleep', stores: onNode, inject: sleep },
  {
    fault: 'provider-refusing',
    stores: onBoth,
    async inject({ provider }) {
      await provider.goDown()
      await delay(outageMs)
      await provider.comeBack()
    },
    short: ['ticket+redis'],
  },
  { fault: 'provider-503', stores: onBoth, inject: tokenFault('503') },
  { fault: 'provider-slow', stores: onBoth, inject: tokenFault('hold-answer') },
  { fault: 'provider-half-open', stores: onBoth, inject: tokenFault('hang') },
  { fault: 'provider-reset', stores: onBoth, inject: tokenFault('reset') },
  {
    fault: 'answer-lost-with-grace',
    stores: onBoth,
    inject: tokenFault('lose-answer', 4),
    gracePeriodSeconds: 10,
    short: ['cookie+durable-object', 'ticket+redis'],
  },
  { fault: 'answer-garbage-with-grace', stores: onBoth, inject: tokenFault('garbage', 4), gracePeriodSeconds: 10 },
  { fault: 'answer-lost-strict', stores: onBoth, inject: tokenFault('lose-answer', 4), short: ['cookie+sqlite'] },
  ...(['attempt-recorded', 'request-sent', 'answer-received', 'answer-written'] as const).map(
    (step): Scenario => ({
      fault: `killed-${step}`,
      stores: onNode,
      inject: killed(step),
      gracePeriodSeconds: longGraceSeconds,
      killsHolder: true,
    }),
  ),
  { fault: 'killed-answer-received-strict', stores: onNode, inject: killed('answer-received'), killsHolder: true },
  { fault: 'deploy', stores: onNode, inject: restartAll, short: ['cookie+sqlite'] },
  {
    fault: 'secrets-rotated',
    stores: onNode,
    async inject(world) {
      const { secrets } = world
      const added = randomBytes(32).toString('base64url')
      // First all can open what the new one seals, then it seals.
      await restartAll(world, { secrets: [...secrets, added] })
      await restartAll(world, { secrets: [added, ...secrets] })
    },
  },
  // Processes on one machine have one clock.
  ...([60_000, -60_000] as const).map(
    (clockSkewMs): Scenario => ({
      fault: clockSkewMs > 0 ? 'clock-ahead-a-minute' : 'clock-behind-a-minute',
      stores: inRedis,
      inject: async () => undefined,
      clockSkewMs,
      accessTokenSeconds: 60,
    }),
  ),
  {
    fault: 'redis-restarted',
    stores: inRedis,
    async inject({ redis }) {
      await redis?.terminate()
      await delay(outageMs)
      await redis?.start()
    },
    short: ['ticket+redis'],
  },
  {
    fault: 'redis-killed',
    stores: inRedis,
    async inject({ redis }) {
      await redis?.kill()
      await delay(outageMs)
      await redis?.start()
    },
  },
  {
    fault: 'redis-paused',
    stores: inRedis,
    async inject({ redis }) {
      redis?.freeze()
      await delay(outageMs)
      redis?.thaw()
    },
    short: ['cookie+redis'],
  },
  {
    fault: 'redis-full',
    stores: inRedis,
    async inject({ redis }) {
      await redis?.command('CONFIG', 'SET', 'maxmemory', '1')
      await delay(outageMs)
      await redis?.command('CONFIG', 'SET', 'maxmemory', '0')
    },
  },
  {
    fault: 'redis-slow',
    stores: inRedis,
    async inject({ redis }) {
      const end = performance.now() + outageMs
      while (performance.now() < end) await redis?.command('DEBUG', 'SLEEP', '0.2')
    },
  },
  {
    fault: 'redis-failed-over',
    stores: inRedis,
    inject: async ({ redis }) => redis?.failOver(),
  },
  {
    fault: 'redis-emptied',
    stores: inRedis,
    inject: async ({ redis }) => void (await redis?.command('FLUSHALL')),
    losesData: true,
  },
]

async function sleep({ accessTokenSeconds, setAsleep }: World): Promise<void> {
  setAsleep(true)
  await delay(accessTokenSeconds * 2000)
  setAsleep(false)
}
