/** What Redis does for the coordinator: every operation is one script on one key, so it is one step there (S2). */

/** The attempt's time leaves as its age, so that nobody's clock but Redis's counts (R6). */
const readKnown = `
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local known = redis.call('HMGET', KEYS[1], 'v', 'p', 'av', 'at', 'e', 's', 'r')
    if known[4] then known[4] = now - known[4] end`

/**
 * A hash a session: v version, p payload, av and at the attempt, e the tombstone (an `Ending`), s seen at, b about,
 * r revocation.
 */
export const scripts = {
  read: `
    local time = redis.call('TIME')
    local known = redis.call('HMGET', KEYS[1], 'v', 'av', 'at', 'e', 's')
    local age = known[3] and time[1] * 1000 + math.floor(time[2] / 1000) - known[3]
    local payload = known[1] ~= ARGV[1] and redis.call('HGET', KEYS[1], 'p')
    return {known[1], payload, known[2], age, known[4], known[5]}`,
  commit: durably(`
    local tombstone = redis.call('HGET', KEYS[1], 'e')
    if tombstone then return tombstone end
    local version = redis.call('HGET', KEYS[1], 'v')
    if version and version ~= ARGV[1] then return 'stale' end
    redis.call('HSET', KEYS[1], 'v', ARGV[2], 'p', ARGV[3])
    if ARGV[5] ~= '' then redis.call('HSETNX', KEYS[1], 's', ARGV[5]) end
    if ARGV[6] ~= '' then redis.call('HSETNX', KEYS[1], 'b', ARGV[6]) end
    if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'r', ARGV[7]) else redis.call('HDEL', KEYS[1], 'r') end
    redis.call('HDEL', KEYS[1], 'av', 'at')
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return 'committed'`),
  touch: `
    local known = redis.call('HMGET', KEYS[1], 'v', 'e', 's')
    if not known[1] or known[2] or tonumber(known[3] or 0) >= tonumber(ARGV[1]) then return end
    redis.call('HSET', KEYS[1], 's', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  readNotes: `return redis.call('HMGET', KEYS[1], 'b', 's')`,
  recordAttempt: durably(`
    ${readKnown}
    if known[5] then return 'ended' end
    if known[1] and known[1] ~= ARGV[1] then return 'stale' end
    redis.call('HSET', KEYS[1], 'v', ARGV[1], 'av', ARGV[1], 'at', now)
    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 'recorded'`),
  clearAttempt: `redis.call('HDEL', KEYS[1], 'av', 'at')`,
  end: durably(`
    ${readKnown}
    local ttl = tonumber(ARGV[1])
    if known[5] then ttl = math.max(ttl, redis.call('PTTL', KEYS[1])) end
    redis.call('DEL', KEYS[1])
    local strength = {superseded = 1, ended_alone = 2, ended = 3}
    local isStronger = known[5] and strength[known[5]] > strength[ARGV[2]]
    redis.call('HSET', KEYS[1], 'e', isStronger and known[5] or ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ttl)
    return known`),
  time: `
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)`,
  take: `return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0`,
  renew: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])`,
  release: `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`,
  settle: `redis.call('SET', KEYS[1], ARGV[1], 'XX', 'KEEPTTL')`,
  count: `
    local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
    return {count, redis.call('PTTL', KEYS[1])}`,
  recall: `return redis.call('GET', KEYS[1])`,
  /** A sorted set a key: ids by the time until which they are kept, by Redis's clock. */
  addToIndex: durably(`
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
    if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 'added'`),
  listIndex: `
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', now, 'LIMIT', 0, ARGV[1])`,
  removeFromIndex: `return redis.call('ZREM', KEYS[1], unpack(ARGV))`,
  policy: `
    local memory = redis.pcall('INFO', 'memory')
    return type(memory) == 'string' and string.match(memory, 'maxmemory_policy:(%S+)') or nil`,
} as const

/** The scripts that a replica is waited for: rotations and tombstones (S2), and what a session begins with. */
export const durable: ReadonlySet<keyof typeof scripts> = new Set(['commit', 'recordAttempt', 'end', 'addToIndex'])

/**
 * Those that take back what a durable one wrote. On another connection they could overtake one that did not get through in
 * time and is carried out later: an attempt would be on record of a request that was never sent.
 */
export const inOrder: ReadonlySet<keyof typeof scripts> = new Set(['clearAttempt'])

/** Those that nobody has to wait for in vain while Redis does not answer. What gives something back is sent all the same. */
export const spared: ReadonlySet<keyof typeof scripts> = new Set([
  ...(['read', 'touch', 'readNotes', 'time', 'take', 'recall', 'count', 'listIndex'] as const),
])

/** Gives what `body` returns, how many replicas there are (0 where this user may not ask), and whose they are. */
function durably(body: string): string {
  return `
    local result = (function() ${body}
    end)()
    local replication = redis.pcall('INFO', 'replication')
    if type(replication) ~= 'string' then replication = '' end
    local replicas = string.match(replication, 'connected_slaves:(%d+)') or '0'
    return {result, tonumber(replicas), string.match(replication, 'master_replid:(%w+)') or ''}`
}
