// The steps that read, check and write: one Lua script each, so that no other worker comes between.

import { createHash } from 'node:crypto';

export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
}

export function script(name: string, source: string): Script {
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}

/**
 * KEYS session, index of the user, refresh token; ARGV session's value, id, expiry (ms), now (ms),
 * sessions a user may have. Ends the oldest session where there are too many.
 */
export const OPEN_SESSION = script(
  'open-session',
  `
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[3])
redis.call('SET', KEYS[3], ARGV[2], 'PXAT', ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('PEXPIREAT', KEYS[2], ARGV[3])
local excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if excess <= 0 then return 0 end
local prefix = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[2])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, excess - 1)) do
  redis.call('DEL', prefix .. id)
  redis.call('ZREM', KEYS[2], id)
end
return excess
`,
);

/**
 * KEYS the refresh token shown, the next one; ARGV prefix of sessions, prefix of indexes, now (ms),
 * life of a refresh token (ms). Answers {'rotated', session id, session}, {'reused'} or {'unknown'}.
 * A token that was used stays marked for the rest of its life: whoever shows it again ends the
 * session, since one of the two who showed it has stolen it.
 */
export const ROTATE_REFRESH = script(
  'rotate-refresh',
  `
local value = redis.call('GET', KEYS[1])
if not value then return {'unknown'} end
local isUsed = string.sub(value, 1, 5) == 'used:'
local id = isUsed and string.sub(value, 6) or value
local key = ARGV[1] .. id
local session = redis.call('GET', key)
if isUsed then
  if session then
    redis.call('DEL', key)
    redis.call('ZREM', ARGV[2] .. cjson.decode(session).userId, id)
  end
  return {'reused'}
end
if not session then return {'unknown'} end
local expiry = tonumber(ARGV[3]) + tonumber(ARGV[4])
redis.call('SET', KEYS[1], 'used:' .. id, 'KEEPTTL')
redis.call('SET', KEYS[2], id, 'PXAT', expiry)
redis.call('PEXPIREAT', key, expiry)
local index = ARGV[2] .. cjson.decode(session).userId
redis.call('ZADD', index, expiry, id)
redis.call('PEXPIREAT', index, expiry)
return {'rotated', id, session}
`,
);

/** KEYS session, index of the user, deny-list entry; ARGV session id, rest of the token's life (ms). */
export const END_SESSION = script(
  'end-session',
  `
redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
`,
);

/** KEYS index of the user, deny-list entry; ARGV prefix of sessions, rest of the token's life (ms). */
export const END_ALL_SESSIONS = script(
  'end-all-sessions',
  `
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
local ended = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  ended = ended + redis.call('DEL', ARGV[1] .. id)
end
redis.call('DEL', KEYS[1])
return ended
`,
);
