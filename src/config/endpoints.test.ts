import { describe, expect, test } from 'vitest';
import type { InvalidOptionsError } from '../errors.js';
import type { ClientOptionsSubset, PoolOptions } from './options.js';
import { resolveOptions } from './resolve.js';

const SECRET = 'tidewater';

function resolve(options: PoolOptions & ClientOptionsSubset, env: NodeJS.ProcessEnv = {}) {
  return resolveOptions(options, env);
}

function problemsOf(options: object, env: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    resolveOptions(options as PoolOptions, env);
    return [];
  } catch (error) {
    return (error as InvalidOptionsError).problems;
  }
}

describe('endpoints', () => {
  test('are each resolved as an address is, with ids and weights', () => {
    const { endpoints, target } = resolve({
      endpoints: [
        { url: 'redis://east:6380/2' },
        { id: 'west', url: `rediss://:${SECRET}@west/2`, weight: 2.5 },
        { url: 'redis-sentinel://s1,s2:2/harbour/2', weight: 0 },
        { path: '/run/redis.sock', database: 2 },
      ],
    });
    const clusters = resolve({
      endpoints: [
        { url: 'redis-cluster://n1:7000,n2:7001?reads=prefer-replica' },
        { cluster: { nodes: [{ host: 'm1' }] }, weight: 2 },
      ],
    });
    expect(clusters.endpoints.map(({ id }) => id)).toEqual(['n1:7000', 'm1:6379']);
    expect(clusters.endpoints[0]?.target).toMatchObject({ reads: 'prefer-replica' });
    expect(endpoints.map(({ id, weight }) => [id, weight])).toEqual([
      ['east:6380', 1],
      ['west', 2.5],
      ['harbour', 0],
      ['/run/redis.sock', 1],
    ]);
    expect(endpoints[2]?.target.sentinel?.nodes).toHaveLength(2);
    expect(target).toBe(endpoints[1]?.target);
    expect(target.tls).toBeDefined();
    expect(JSON.stringify(endpoints)).not.toContain(SECRET);
    expect(Object.isFrozen(endpoints)).toBe(true);
  });

  test('share what stands beside them, and keep what they say themselves', () => {
    const { endpoints } = resolve({
      endpoints: [{ host: 'east' }, { host: 'west', password: 'own' }],
      ...{ password: 'shared', username: 'me', database: 3, connectTimeoutMs: 77 },
    });
    const facts = endpoints.map(({ target }) => [
      ...[target.username, target.password?.reveal(), target.database, target.connectTimeoutMs],
    ]);
    expect(facts).toEqual([
      ['me', 'shared', 3, 77],
      ['me', 'own', 3, 77],
    ]);
  });

  test('are none where the options name one server, or nobody says so', () => {
    const env = { REDIS_ENDPOINTS: 'redis://a redis://b' };
    expect(resolve({}).endpoints).toEqual([]);
    expect(resolve({ url: 'redis://c' }, env).endpoints).toEqual([]);
    expect(resolve({ port: 6380 }, env).endpoints).toEqual([]);
    expect(resolve({}, { REDIS_ENDPOINTS: ' ' }).endpoints).toEqual([]);
  });

  test('come from REDIS_ENDPOINTS too, the preferred one first, with the other variables', () => {
    const { endpoints } = resolve(
      {},
      {
        REDIS_ENDPOINTS: ' redis://a:1  valkey://b:2\nredis://c:3 ',
        ...{ REDIS_PASSWORD: SECRET, REDIS_DB: '4', REDIS_TLS: 'true' },
      },
    );
    expect(endpoints.map(({ id, weight }) => [id, weight])).toEqual([
      ['a:1', 3],
      ['b:2', 2],
      ['c:3', 1],
    ]);
    for (const { target } of endpoints) {
      expect(target.password?.reveal()).toBe(SECRET);
      expect([target.database, target.tls === undefined]).toEqual([4, false]);
    }
  });

  test('of the options are sent nothing that the environment says of others', () => {
    const env = { REDIS_URL: `redis://:${SECRET}@c`, REDIS_PASSWORD: SECRET, REDIS_HOST: 'c' };
    const { endpoints } = resolve({ endpoints: [{ url: 'redis://a' }] }, env);
    expect(endpoints[0]?.target).toMatchObject({ host: 'a', password: undefined });
  });

  test('name what is wrong with which of them, and repeat no address', () => {
    expect(
      problemsOf({
        endpoints: [
          { url: `http://${SECRET}` },
          { weight: 2 },
          { url: 'redis://a', weight: -1, id: 'a b', hots: 'b' },
          { sentinel: { nodes: [] } },
        ],
      }),
    ).toEqual([
      'endpoints[2].weight must be a number from 0 to 1,000,000, not -1',
      'endpoints[2].id must be 1 to 128 printable ASCII characters without spaces',
      'endpoints[2].hots is not an option; did you mean endpoints[2].host?',
      'endpoints[3].sentinel.nodes must be a list of { host, port }',
      expect.stringMatching(/^endpoints\[0\]\.url must begin with redis:\/\//),
      'endpoints[1] must name its server: url, host, path, sentinel or cluster',
      'endpoints[3].sentinel.name must be the name of the primary',
    ]);
  });

  test('must be a list, differ, and agree on the database', () => {
    for (const endpoints of ['redis://a', [], ['redis://a'], {}, new Array(33).fill({})]) {
      expect(problemsOf({ endpoints })).toEqual([
        'endpoints must be a list of 1 to 32 endpoints, each as { url, weight }',
      ]);
    }
    expect(problemsOf({ endpoints: [{ url: 'redis://a' }, { host: 'a' }] })).toEqual([
      'endpoints[1].id must be another than those of the others',
    ]);
    expect(problemsOf({ endpoints: [{ url: 'redis://a/1' }, { url: 'redis://b' }] })).toEqual([
      'endpoints[1].database must be the same as that of the others',
    ]);
    expect(problemsOf({ endpoints: [{ url: 'redis://a' }], host: 'b' })).toEqual([
      expect.stringMatching(/^endpoints excludes url, host, port, path/),
    ]);
    expect(problemsOf({}, { REDIS_ENDPOINTS: 'redis://a', REDIS_URL: 'redis://b' })).toEqual([
      'REDIS_URL and REDIS_ENDPOINTS exclude each other: set one',
    ]);
  });

  test('warn of parameters that are not used, by their place', () => {
    const { warnings } = resolve({ endpoints: [{ url: 'redis://a?timeout=3' }] });
    expect(warnings.map(({ message }) => message)).toEqual([
      'endpoints[0].url has the parameter timeout, which is not used',
    ]);
  });
});

describe('failover', () => {
  test('has less patience than callers by default', () => {
    expect(resolve({}).failover).toMatchObject({
      patienceMs: 1_000,
      policy: 'majority',
      probes: 3,
    });
    expect(resolve({ breaker: { patienceMs: 500 } }).failover.patienceMs).toBe(250);
    const both = resolve({
      breaker: { patienceMs: 500 },
      failover: { patienceMs: 900, probes: 1 },
    });
    expect(both.failover).toMatchObject({ patienceMs: 900, probes: 1 });
  });

  test('is checked', () => {
    expect(problemsOf({ failover: { probes: 0, policy: 'some', graceMs: 1.5, grace: 1 } })).toEqual(
      [
        'failover.probes must be a whole number from 1 to 100, not 0',
        expect.stringMatching(/^failover\.policy must be all, majority or any/),
        expect.stringMatching(/^failover\.graceMs must be a whole number/),
        'failover.grace is not an option; did you mean failover.graceMs?',
      ],
    );
  });
});
