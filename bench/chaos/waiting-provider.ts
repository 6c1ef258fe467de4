/**
 * The provider of `waiting.ts`, in a process of its own so that it is as far away as it says however busy the load is. Tells
 * the parent how to reach it. At `hold` it holds the next answer for as long as the way to it takes; at `report` it
 * says how often it was asked since, and how long that took.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startProvider } from '../../spa-example/provider/index.ts'

export interface WaitingProvider {
  readonly appOrigin: string
  readonly accessTokenSeconds: number
  /** How far it is. */
  readonly awayMs: number
}

export interface Reached {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
}

export interface Asked {
  readonly tokenRequests: number
  readonly roundTripMs: number
}

const { awayMs, ...options } = JSON.parse(process.env.WAITING_PROVIDER ?? '') as WaitingProvider
const provider = await startProvider(options)
const { issuer, clientId, clientSecret, token } = provider

process.on('message', async (word: 'hold' | 'report') => {
  if (word === 'report') {
    const [sent] = token.requests
    process.send?.({
      tokenRequests: token.count(),
      roundTripMs: sent ? sent.endedAt - sent.beganAt : 0,
    } satisfies Asked)
    return
  }
  token.forget()
  token.inject('hold-answer', 1)
  process.send?.('holds')
  await token.whenHeld(1)
  await delay(awayMs)
  token.release()
})
// Nobody is there any more who would stop it.
process.once('disconnect', () => process.exit(0))
process.send?.({ issuer, clientId, clientSecret } satisfies Reached)
