// How the pools of all processes agree on who may open how many connections: each claims its maximum
// in a hash on the server itself, for a short time, and claims it again before that is over. A script
// adds the claims up and grants what is left of `maxclients`, less the reserve and less what others
// than these pools have open. Where there are several servers, the fullest of them decides.

import { keySlot } from '../base/key-slot.js';
import { routeOf } from '../base/route.js';
import type { NodePool } from '../node/node-pool.js';
import { ownCommand } from '../node/own-command.js';

/** A hash: of each pool its claim, as JSON. */
export const CLAIMS_KEY = 'plimsoll:autoscale';
const QUESTION_TIMEOUT_MS = 2_000;

/**
 * KEYS the claims. ARGV: whose claim; the maximum that is wanted, that there is, and that the pool
 * began with; for how long it claims, ms; the reserve; whether it is to give back what is too much;
 * how many connections it has open, by server; then of each server: its address, `maxclients` and its
 * connections. Answers what is granted and what it might be at most.
 *
 * Whose claim was not there gets no more than it has: the server may have lost the others' as well.
 */
const CLAIM = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wish, current, least = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local others, isKnown = 0, false
local open = cjson.decode(ARGV[8])
local claims = redis.call('HGETALL', KEYS[1])
for index = 1, #claims, 2 do
  local claim = cjson.decode(claims[index + 1])
  if claim.ends <= now then
    redis.call('HDEL', KEYS[1], claims[index])
  elseif claims[index] == ARGV[1] then
    isKnown = true
  else
    others = others + claim.max
    for server, count in pairs(claim.open) do open[server] = (open[server] or 0) + count end
  end
end
local room = math.huge
for index = 9, #ARGV, 3 do
  local strangers = math.max(0, tonumber(ARGV[index + 2]) - (open[ARGV[index]] or 0))
  room = math.min(room, tonumber(ARGV[index + 1]) - tonumber(ARGV[6]) - strangers - others)
end
local granted = math.max(least, math.min(wish, room))
if ARGV[7] == '0' then granted = wish > current and math.max(current, granted) or wish end
if not isKnown then granted = math.min(granted, current) end
local claim = { max = granted, ends = now + tonumber(ARGV[5]), open = cjson.decode(ARGV[8]) }
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(claim))
redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[5]), redis.call('PTTL', KEYS[1])))
return { granted, room }
`;

export interface Claim {
  /** Whose it is; no two pools have the same. */
  readonly id: string;
  readonly wish: number;
  readonly current: number;
  /** What no claim of others takes away. */
  readonly least: number;
  /** How long it is good, ms. */
  readonly lifeMs: number;
  /** Connections of each server that growth leaves free. */
  readonly reserve: number;
  /** Whether what is beyond the room is given back. */
  readonly givesBack: boolean;
}

export interface Grant {
  readonly granted: number;
  /** What may be granted at most. */
  readonly room: number;
}

interface ServerFacts {
  readonly address: string;
  readonly open: number;
  readonly maxClients: number;
  readonly connected: number;
}

/**
 * @param nodes The servers that the pool has connections to.
 * @param nodeFor Which of them has a slot.
 * @throws ErrorReply where the server refuses it; PoolError where it doesn't answer.
 */
export async function claim(
  claim: Claim,
  nodes: readonly NodePool[],
  nodeFor: (route: ReturnType<typeof routeOf>) => NodePool,
): Promise<Grant> {
  const servers = await Promise.all(nodes.map(askServer));
  const open = Object.fromEntries(servers.map(({ address, open }) => [address, open]));
  const { id, wish, current, least, lifeMs, reserve, givesBack } = claim;
  const numbers = [wish, current, least, lifeMs, reserve, givesBack ? 1 : 0];
  const facts = servers.flatMap(({ address, maxClients, connected }) => [
    ...[address, maxClients, connected],
  ]);
  const args = ['EVAL', CLAIM, 1, CLAIMS_KEY, id, ...numbers, JSON.stringify(open), ...facts];
  const command = ownCommand(args.map(String), QUESTION_TIMEOUT_MS);
  command.route = routeOf(keySlot(CLAIMS_KEY), 'write');
  nodeFor(command.route).send(command);
  const [granted, room] = (await command.promise) as [number, number];
  return { granted, room };
}

async function askServer(node: NodePool): Promise<ServerFacts> {
  const command = ownCommand(['INFO', 'clients'], QUESTION_TIMEOUT_MS);
  node.send(command);
  const info = String(await command.promise);
  const [maxClients, connected] = [
    numberIn(info, 'maxclients'),
    numberIn(info, 'connected_clients'),
  ];
  if (maxClients === undefined || connected === undefined) {
    throw new Error('INFO clients has no maxclients: that takes Redis 6.2 or Valkey');
  }
  return {
    // The path of a unix socket may have any character.
    address: encodeURI(node.endpoint.address),
    open: node.membership.fleet.size,
    maxClients,
    connected: connected + (numberIn(info, 'cluster_connections') ?? 0),
  };
}

function numberIn(info: string, field: string): number | undefined {
  const found = new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1];
  return found === undefined ? undefined : Number(found);
}
