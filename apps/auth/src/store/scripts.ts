// The steps that read, check and write: one Lua script each, so that no other worker comes between.
// Time is the server's, so that the clocks of workers and machines need not agree.
//
// A script touches keys of one slot alone (keys.ts), also those that it finds in others. While a
// cluster moves that slot, some of them may be gone to another server already, and a script that
// meets one of those fails on the spot: so each reads what it needs before it writes, and what fails
// has done nothing that a second try doesn't do again.

import { createHash } from 'node:crypto';

export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
}

export function script(name: string, source: string): Script {
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** An index lasts as long as the longest of its sessions: its life is never made shorter. */
const KEEP_INDEX = `
local function keepIndex(key, life)
  if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
end
`;

/** Ids of the sessions in an index that are there, oldest first; others leave the index. */
const LIVE_IDS = `
local function liveIds(index, prefix)
  local ids = {}
  for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    if redis.call('EXISTS', prefix .. id) == 1 then
      ids[#ids + 1] = id
    else
      redis.call('ZREM', index, id)
    end
  end
  return ids
end
`;

/**
 * KEYS user, session, index of the user; ARGV the user as it was read, session id, user id, name,
 * hash of the family's secret, life (ms), sessions a user may have, prefix of sessions.
 * Answers {'opened', now} or {'changed'} where the user is another by now. Ends the oldest sessions
 * where there are too many; a counter is their order, as several may open in one millisecond.
 */
export const OPEN_SESSION = script(
  'open-session',
  `${NOW}${KEEP_INDEX}${LIVE_IDS}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'changed'} end
local life, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
local others = {}
if redis.call('ZCARD', KEYS[3]) >= most then
  for _, id in ipairs(liveIds(KEYS[3], ARGV[8])) do
    if id ~= ARGV[2] then others[#others + 1] = id end
  end
end
redis.call('HSET', KEYS[2], 'user', ARGV[3], 'name', ARGV[4], 'created', now,
  'family', ARGV[5], 'generation', 0)
redis.call('PEXPIRE', KEYS[2], life)
redis.call('ZADD', KEYS[3], (tonumber(last[2]) or 0) + 1, ARGV[2])
keepIndex(KEYS[3], life)
for position = 1, #others + 1 - most do
  redis.call('DEL', ARGV[8] .. others[position])
  redis.call('ZREM', KEYS[3], others[position])
end
return {'opened', now}
`,
);

/**
 * What a network has refreshed in this minute is counted beside its sessions, as it belongs to none
 * of them: one is counted before it is carried out, and taken back where it was none.
 * KEYS counter of the network; ARGV refreshes that it may have, ms that they are counted for.
 * Answers 0, or ms to wait, with nothing counted.
 */
export const COUNT_REFRESH = script(
  'count-refresh',
  `
if (tonumber(redis.call('GET', KEYS[1])) or 0) >= tonumber(ARGV[1]) then
  return math.max(1, redis.call('PTTL', KEYS[1]))
end
if redis.call('INCR', KEYS[1]) == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
`,
);

/** KEYS counter of the network. */
export const FORGIVE_REFRESH = script(
  'forgive-refresh',
  `
if (tonumber(redis.call('GET', KEYS[1])) or 0) > 1 then return redis.call('DECR', KEYS[1]) end
redis.call('DEL', KEYS[1])
return 0
`,
);

/**
 * KEYS session; ARGV session id, hash of the family's secret, generation of the token shown, time of
 * grace (ms), life of a refresh token (ms), life of a session (ms), refreshes a minute of a session
 * (0: no limit), ms that its network has to wait (0: it need not), prefix of indexes.
 *
 * Answers {how, generation, user id, name, created} where the token was good:
 *   rotated   it was the last one
 *   retried   it was replaced a moment ago: the last one once more
 *   ahead     it is younger than the server knows: the server has lost writes, the token is ours
 * or {'reused', user id} and the session has ended, {'limited', ms to wait}, or {'unknown'}.
 *
 * A moment ago: the one before the last was `replaced` within the time of grace; so were those from
 * `first` on, whose replacements `began` within it. A late request may show one of these, when its
 * sender has tried again and gone on meanwhile. Retries make neither longer, and aren't counted, as
 * refusing one could make it a reuse.
 *
 * The first refresh of a session in a minute is let through whatever its network does, or whoever
 * shares an address with others could keep them from theirs.
 */
export const REFRESH = script(
  'refresh',
  `${NOW}${KEEP_INDEX}
local minute = 60000
local session = redis.call('HMGET', KEYS[1], 'family', 'generation', 'user', 'name', 'created',
  'replaced', 'first', 'began', 'minute', 'refreshes')
if session[1] ~= ARGV[2] then return {'unknown'} end
local user, name, created = session[3], session[4], session[5]
local current, shown = tonumber(session[2]), tonumber(ARGV[3])
local index = ARGV[9] .. user
local rest = tonumber(created) + tonumber(ARGV[6]) - now
local function isRecent(time) return time and math.abs(now - time) < tonumber(ARGV[4]) end
local isReplaced = shown < current
local isRetry = isReplaced and (shown == current - 1 and isRecent(session[6])
  or shown >= tonumber(session[7]) and isRecent(session[8]))
if rest <= 0 or (isReplaced and not isRetry) then
  redis.call('ZREM', index, ARGV[1])
  redis.call('DEL', KEYS[1])
  if rest <= 0 then return {'unknown'} end
  return {'reused', user}
end
if isRetry then return {'retried', current, user, name, created} end
local thisMinute = math.floor(now / minute)
local refreshes = 1
if tonumber(session[9]) == thisMinute then refreshes = tonumber(session[10]) + 1 end
local limit = tonumber(ARGV[7])
if limit > 0 and refreshes > limit then return {'limited', minute - now % minute} end
local networkWait = tonumber(ARGV[8])
if networkWait > 0 and refreshes > 1 then return {'limited', networkWait} end
local life = math.min(tonumber(ARGV[5]), rest)
keepIndex(index, life)
redis.call('HSET', KEYS[1], 'generation', shown + 1, 'replaced', now, 'minute', thisMinute,
  'refreshes', refreshes)
if shown > current or not isRecent(session[8]) then
  redis.call('HSET', KEYS[1], 'first', shown, 'began', now)
end
redis.call('PEXPIRE', KEYS[1], life)
return {shown == current and 'rotated' or 'ahead', shown + 1, user, name, created}
`,
);

/** KEYS index of the user; ARGV prefix of sessions. Answers {id, created, id, created, ...}. */
export const LIST_SESSIONS = script(
  'list-sessions',
  `${LIVE_IDS}
local list = {}
for _, id in ipairs(liveIds(KEYS[1], ARGV[1])) do
  list[#list + 1] = id
  list[#list + 1] = redis.call('HGET', ARGV[1] .. id, 'created')
end
return list
`,
);

/**
 * KEYS session; ARGV session id, prefix of indexes, a field of the session and the value that it must
 * have. Answers the user's id, or nothing where there is no such session.
 */
export const END_SESSION = script(
  'end-session',
  `
if redis.call('HGET', KEYS[1], ARGV[3]) ~= ARGV[4] then return false end
local user = redis.call('HGET', KEYS[1], 'user')
redis.call('ZREM', ARGV[2] .. user, ARGV[1])
redis.call('DEL', KEYS[1])
return user
`,
);

/**
 * KEYS index of the user; ARGV prefix of sessions, session that asks. Answers how many have ended;
 * -1 where the one that asks has ended and others have not: it has no say in them.
 */
export const END_ALL_SESSIONS = script(
  'end-all-sessions',
  `${LIVE_IDS}
local ids = liveIds(KEYS[1], ARGV[1])
if #ids > 0 and redis.call('EXISTS', ARGV[1] .. ARGV[2]) == 0 then return -1 end
for _, id in ipairs(ids) do redis.call('DEL', ARGV[1] .. id) end
redis.call('DEL', KEYS[1])
return #ids
`,
);

/**
 * KEYS user, index of the user; ARGV the user as it was read and as it shall be, prefix of sessions,
 * session that asks, which is the only one that stays. Answers 'done', 'ended' or 'changed'.
 */
export const CHANGE_PASSWORD = script(
  'change-password',
  `${LIVE_IDS}
if redis.call('EXISTS', ARGV[3] .. ARGV[4]) == 0 then return 'ended' end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'changed' end
local ids = liveIds(KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
for _, id in ipairs(ids) do
  if id ~= ARGV[4] then
    redis.call('DEL', ARGV[3] .. id)
    redis.call('ZREM', KEYS[2], id)
  end
end
return 'done'
`,
);

/** KEYS user; ARGV the user as it was read and as it shall be. Answers whether it was still so. */
export const REPLACE_HASH = script(
  'replace-hash',
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
`,
);
