/** Sessions in Redis or Valkey, behind tickets: for many machines. A session that Redis loses is gone. */
import type { SessionStore } from '../../coordinator.ts'
import { type RedisCoordinatorOptions, redisCoordinator } from './redis-coordinator.ts'

export function redisStore(options: RedisCoordinatorOptions): SessionStore {
  return { name: 'redis', cookie: 'ticket', coordinator: redisCoordinator(options) }
}
