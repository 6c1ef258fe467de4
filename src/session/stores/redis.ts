/** `coatcheck/stores/redis`: Redis or Valkey as a store of sessions, and as the coordinator of sessions in cookies. No logic. */
export type { RedisClient } from './redis-client.ts'
export { type RedisCoordinatorOptions, redisCoordinator } from './redis-coordinator.ts'
export { redisStore } from './redis-store.ts'
