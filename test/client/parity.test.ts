// The same calls on node-redis' own client and on pool.client: same methods, same replies, same
// errors. What is different on purpose stands in DIFFERENT, with the reason.

import { createClient, type RedisClientType } from '@redis/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPrivateServer } from '../support/servers.js';
import { usePool } from './pools.js';

type Call = readonly [method: string, ...args: unknown[]];
type AnyClient = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Members of node-redis' client that a pool's has not: they are about its one socket. */
const DIFFERENT = new Set([
  'clientSideCache', // Caching in the client needs CLIENT TRACKING on each connection.
  'socketEpoch',
  'setDirtyWatch',
  'resetIfDirty',
  'extendPubSubChannelListeners',
  'extendPubSubListeners',
  'reAuthenticate',
]);

/** Each a method and its arguments, executed in this order on an empty database. */
const CALLS: readonly Call[] = [
  ['ping'],
  ['ping', 'hello'],
  ['echo', 'hello'],
  ['set', 'text', 'value'],
  ['set', 'text', 'other', { NX: true }],
  ['set', 'text', 'new', { GET: true }],
  ['set', 'number', 10],
  ['get', 'text'],
  ['get', 'absent'],
  ['getRange', 'text', 0, 1],
  ['append', 'text', 'er'],
  ['strLen', 'text'],
  ['incr', 'number'],
  ['incrBy', 'number', 5],
  ['incrByFloat', 'number', 0.5],
  ['mSet', { a: '1', b: '2' }],
  ['mSet', ['c', '3', 'd', '4']],
  ['mGet', ['a', 'b', 'absent']],
  ['exists', ['a', 'b']],
  ['type', 'text'],
  ['expire', 'text', 100],
  ['ttl', 'number'],
  ['persist', 'text'],
  ['hSet', 'hash', { f: '1', g: '2' }],
  ['hSet', 'hash', 'h', 3],
  ['hGet', 'hash', 'f'],
  ['hGetAll', 'hash'],
  ['hGetAll', 'absent'],
  ['hmGet', 'hash', ['f', 'absent']],
  ['hKeys', 'hash'],
  ['hIncrBy', 'hash', 'h', 2],
  ['hScan', 'hash', '0'],
  ['hRandFieldCountWithValues', 'hash', 0],
  ['rPush', 'list', ['x', 'y', 'z']],
  ['lRange', 'list', 0, -1],
  ['lPop', 'list'],
  ['lPopCount', 'list', 2],
  ['lPos', 'list', 'x'],
  ['blPop', 'list', 0.05],
  ['lmPop', 'absent', 'LEFT'],
  ['sAdd', 'set', ['m']],
  ['sMembers', 'set'],
  ['sIsMember', 'set', 'm'],
  ['smIsMember', 'set', ['m', 'n']],
  ['sScan', 'set', '0'],
  [
    'zAdd',
    'ranks',
    [
      { score: 1, value: 'a' },
      { score: 2.5, value: 'b' },
    ],
  ],
  ['zAdd', 'ranks', { score: Number.POSITIVE_INFINITY, value: 'top' }],
  ['zRange', 'ranks', 0, -1],
  ['zRangeWithScores', 'ranks', 0, -1],
  ['zScore', 'ranks', 'b'],
  ['zScore', 'ranks', 'absent'],
  ['zmScore', 'ranks', ['a', 'absent']],
  ['zRank', 'ranks', 'b'],
  ['zPopMin', 'ranks'],
  ['zPopMinCount', 'ranks', 5],
  ['bzPopMin', 'ranks', 0.05],
  ['zScan', 'absent', '0'],
  ['geoAdd', 'places', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }],
  ['geoPos', 'places', ['Palermo', 'absent']],
  ['geoSearchWith', 'places', 'Palermo', { radius: 1, unit: 'km' }, ['WITHDIST', 'WITHCOORD']],
  ['pfAdd', 'log', ['a', 'b']],
  ['pfCount', 'log'],
  ['setBit', 'bits', 7, 1],
  ['bitCount', 'bits'],
  ['bitField', 'bits', [{ operation: 'GET', encoding: 'u8', offset: 0 }]],
  ['xAdd', 'stream', '1-1', { f: 'v' }],
  ['xLen', 'stream'],
  ['xRange', 'stream', '-', '+'],
  ['xRead', { key: 'stream', id: '0' }],
  ['xRead', { key: 'stream', id: '$' }, { BLOCK: 10 }],
  ['xGroupCreate', 'stream', 'group', '0'],
  ['xReadGroup', 'group', 'consumer', { key: 'stream', id: '>' }],
  ['xPending', 'stream', 'group'],
  ['xInfoStream', 'stream'],
  ['xInfoGroups', 'stream'],
  ['sort', 'absent'],
  ['copy', 'text', 'copied'],
  ['objectEncoding', 'text'],
  ['eval', 'return {KEYS[1], ARGV[1], 5, false}', { keys: ['k'], arguments: ['v'] }],
  ['eval', 'return redis.error_reply("MINE is bad")'],
  ['scriptLoad', 'return 1'],
  ['evalSha', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db'],
  ['evalSha', '0000000000000000000000000000000000000000'],
  ['keys', 'absent*'],
  ['scan', '0', { MATCH: 'absent*', COUNT: 1000 }],
  ['dbSize'],
  ['configGet', 'maxmemory-policy'],
  ['clientGetName'],
  ['commandCount'],
  ['commandInfo', ['get']],
  ['aclWhoAmI'],
  ['pubSubNumSub', ['channel']],
  ['publish', 'channel', 'x'],
  ['sendCommand', ['GET', 'text']],
  ['sendCommand', ['HGETALL', 'hash']],
  ['lPush', 'text', 'x'],
  ['incr', 'text'],
  ['get', 'hash'],
  ['flushDb'],
];

for (const RESP of [3, 2] as const) {
  describeEachPrivateServer(`pool.client beside node-redis over RESP${RESP}`, (server) => {
    const pool = usePool(server, { RESP, name: 'same' });
    let theirs: RedisClientType;

    beforeAll(async () => {
      theirs = createClient({ url: server().url, RESP: RESP as 3, name: 'same', database: 1 });
      await theirs.connect();
    });
    afterAll(() => theirs.destroy());

    test.each(CALLS)('%s(%j)', async (method, ...args) => {
      const mine = await outcome(pool().client as unknown as AnyClient, [
        method as string,
        ...args,
      ]);
      expect(mine).toEqual(
        await outcome(theirs as unknown as AnyClient, [method as string, ...args]),
      );
    });

    test('has every member that node-redis has', () => {
      const missing = [...membersOf(theirs)].filter(
        (name) => !name.startsWith('_') && !DIFFERENT.has(name) && !(name in pool().client),
      );
      expect(missing).toEqual([]);
    });

    test('multi has every member that node-redis has', () => {
      const mine = pool().client.multi();
      const missing = [...membersOf(theirs.multi())].filter((name) => !(name in mine));
      expect(missing).toEqual([]);
    });

    test('multi and pipelines give the same', async () => {
      for (const client of [pool().client, theirs] as RedisClientType[]) await client.flushDb();
      const build = (client: RedisClientType) =>
        client.multi().set('a', '1').hSet('h', 'f', 'v').hGetAll('h').zRangeWithScores('z', 0, -1);
      const both = [pool().client as unknown as RedisClientType, theirs];
      const [mine, others] = await Promise.all(both.map((client) => build(client).exec()));
      expect(mine).toEqual(others);
      const [piped, othersPiped] = await Promise.all(
        both.map((client) => build(client).execAsPipeline()),
      );
      expect(piped).toEqual(othersPiped);
      const errors = await Promise.all(
        both.map((client) => outcomeOf(client.multi().set('a', 'x').incr('a').exec())),
      );
      expect(errors[0]).toEqual(errors[1]);
    });
  });
}

function outcome(client: AnyClient, [method, ...args]: Call): Promise<unknown> {
  return outcomeOf(client[method]!(...args));
}

async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { reply: await promise };
  } catch (error) {
    return { class: (error as Error).constructor.name, message: (error as Error).message };
  }
}

function membersOf(client: object): Set<string> {
  const members = new Set<string>();
  for (let level = client; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) members.add(name);
  }
  return members;
}
