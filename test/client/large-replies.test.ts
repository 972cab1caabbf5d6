// Replies beyond `maxReplyBytes`: they fail their own command, once, and nobody else notices.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import { createPool, type Pool, RESP_TYPES } from '../../src/index.js';
import { type Certificates, makeCertificates } from '../support/certificates.js';
import { outcomeOf, outcomesOf } from '../support/outcome.js';
import { foundServers } from '../support/servers.js';
import { until } from '../support/until.js';

const LIMIT = 100_000;
const TOO_LARGE = { code: 'REPLY_TOO_LARGE', sent: true };

type Options = NonNullable<Parameters<typeof createPool>[0]>;

describe.each(foundServers)('a reply beyond the limit ($kind $version)', (found) => {
  const pools: Pool[] = [];
  let server: PrivateServer;
  let certificates: Certificates;

  beforeAll(async () => {
    certificates = await makeCertificates();
    const tls = { caFile: certificates.caFile, ...certificates.server };
    server = await startPrivateServer({ server: found, tls });
    const redis = open({ maxConnections: 1 }).client;
    await redis.set('small', 'ahoy');
    await redis.set('large', 'x'.repeat(3 * LIMIT));
    const elements = Array.from({ length: 20_000 }, (_, index) => `element ${index}`);
    await redis.rPush('list', elements);
    await redis.hSet('hash', Object.fromEntries(elements.map((text) => [text, text])));
    await redis.sAdd('set', elements);
  });
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
  });
  afterAll(async () => {
    await server.stop();
    certificates.remove();
  });

  function open(options: Options): Pool {
    const pool = createPool({ host: server.host, port: server.port, ...options }, {});
    pools.push(pool);
    return pool;
  }

  const transports = ['plain', 'TLS', 'RESP2'] as const;
  const optionsOf = (transport: (typeof transports)[number]): Options => {
    // They wait for one another, on a machine that may be busy.
    const limits = { maxReplyBytes: LIMIT, maxConnections: 1, commandTimeoutMs: 60_000 };
    if (transport === 'RESP2') return { ...limits, RESP: 2 } as unknown as Options;
    if (transport === 'plain') return limits;
    return { ...limits, port: server.tlsPort as number, tls: { ca: certificates.ca } };
  };

  test.each(transports)(
    'fails its command alone, between hundreds of others (%s)',
    async (kind) => {
      const pool = open(optionsOf(kind));
      const redis = pool.client;
      const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      const script = "return redis.error_reply('ERR ' .. string.rep('x', 300000))";
      const large = [
        () => redis.get('large'),
        () => bytes.get('large'),
        () => redis.lRange('list', 0, -1),
        () => redis.hGetAll('hash'),
        () => redis.sMembers('set'),
        () => redis.eval(script),
        () => redis.eval("return {1, {redis.call('GET', 'large')}}"),
        () => redis.mGet(['small', 'large', 'small']),
      ];
      const neighbours: Promise<string | null>[] = [];
      const outcomes: Promise<unknown>[] = [];
      for (let round = 0; round < 5; round++) {
        for (const ask of large) {
          neighbours.push(...Array.from({ length: 10 }, () => redis.get('small')));
          outcomes.push(ask());
        }
      }
      for (const { error } of await outcomesOf(outcomes)) expect(error).toMatchObject(TOO_LARGE);
      expect(new Set(await Promise.all(neighbours))).toEqual(new Set(['ahoy']));
      const { counters } = pool.status();
      expect(counters.errors).toMatchObject({ REPLY_TOO_LARGE: outcomes.length });
      // Nothing was sent again, and nothing closed.
      expect([counters.retries, pool.status().connections.open]).toEqual([0, 1]);
    },
  );

  test('is not asked for a second time, whatever retryWrites says', async () => {
    const redis = open({ maxReplyBytes: LIMIT, retryWrites: 'always' }).client;
    await redis.configResetStat();
    await outcomeOf(redis.get('large'));
    await outcomeOf(redis.getSet('large', 'y'.repeat(3 * LIMIT)));
    const calls = (await redis.info('commandstats')) as string;
    expect(calls).toContain('cmdstat_get:calls=1,');
    expect(calls).toContain('cmdstat_getset:calls=1,');
  });

  test('fails its transaction or pipeline, whose commands ran', async () => {
    const pool = open({ maxReplyBytes: LIMIT, maxConnections: 1 });
    const redis = pool.client;
    await redis.set('counter', '0');
    const batches = [
      redis.multi().incr('counter').get('large').incr('counter').exec(),
      redis.multi().incr('counter').get('large').incr('counter').execAsPipeline(),
    ];
    for (const { error } of await outcomesOf(batches)) expect(error).toMatchObject(TOO_LARGE);
    expect(await redis.get('counter')).toBe('4');
    const lease = await pool.acquire();
    expect((await outcomeOf(lease.client.get('large'))).error).toMatchObject(TOO_LARGE);
    expect(await lease.client.get('small')).toBe('ahoy');
    lease.release();
    expect(pool.status().connections.open).toBe(1);
  });

  test('that comes late costs nobody anything', async () => {
    const pool = open({ maxConnections: 1 });
    const redis = pool.client;
    await redis.get('small');
    const before = process.memoryUsage().rss;
    const late = redis.withCommandOptions({ timeout: 100 });
    // 100 MiB of elements, after the caller had his answer.
    const script =
      "local t = {} for i = 1, 20000000 do t[1] = i end for i = 1, 100 do t[i] = string.rep('x', 1048576) end return t";
    const { code } = await outcomeOf(late.eval(script));
    expect(code).toBe('COMMAND_TIMEOUT');
    await until(async () => (await outcomeOf(redis.get('small'))).value === 'ahoy', 15_000);
    expect(pool.status().connections.open).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(50 * 1024 * 1024);
  });

  test.each([2, 3] as const)(
    'as a message is told by an event, the next one comes (RESP%d)',
    async (RESP) => {
      const pool = open({ maxReplyBytes: LIMIT, RESP } as unknown as Options);
      const subscriber = pool.client.duplicate();
      const errors: unknown[] = [];
      subscriber.on('error', (error) => errors.push(error));
      await subscriber.connect();
      const messages: string[] = [];
      await subscriber.subscribe('news', (message) => messages.push(message));
      await pool.client.publish('news', 'x'.repeat(3 * LIMIT));
      await until(() => errors.length === 1);
      expect(errors[0]).toMatchObject({ code: 'REPLY_TOO_LARGE' });
      await until(async () => (await pool.client.publish('news', 'after')) === 1);
      await until(() => messages.includes('after'));
      await subscriber.close();
    },
  );

  test('is served by default up to 512 MiB', async () => {
    const redis = open({ commandTimeoutMs: 0 }).client;
    expect((await redis.get('large'))?.length).toBe(3 * LIMIT);
    expect(await redis.lRange('list', 0, -1)).toHaveLength(20_000);
  });
});
