import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { resolveOptions } from './resolve.js';

const nodes = [{ host: 'one' }];

function problemsOf(options: object, env: NodeJS.ProcessEnv = {}): readonly string[] {
  return problemsIn(() => resolveOptions(options, env));
}

function targetOf(options: object, env: NodeJS.ProcessEnv = {}) {
  return resolveOptions(options, env).target;
}

describe('cluster', () => {
  it('is resolved with its defaults', () => {
    const addressMap = { 'a:1': { host: 'b', port: 2 } };
    const cluster = { nodes: [{ host: '[::1]' }, { host: 'two', port: 7001 }], addressMap };
    expect(targetOf({ cluster, password: 'hush' })).toMatchObject({
      cluster: {
        nodes: [
          { host: '::1', port: 6_379 },
          { host: 'two', port: 7_001 },
        ],
        addressMap,
      },
      reads: 'primary',
      zone: undefined,
    });
  });

  it('is found by the environment alone', () => {
    const REDIS_URL = 'rediss-cluster://app:pw@one:7000,two?reads=nearest-zone&zone=eu-1a';
    const target = targetOf({}, { REDIS_URL });
    expect(target).toMatchObject({ username: 'app', reads: 'nearest-zone', zone: 'eu-1a' });
    expect(target.password?.reveal()).toBe('pw');
    expect(target.tls?.reveal()).toEqual({});
    expect(target.cluster?.nodes).toEqual([
      { host: 'one', port: 7_000 },
      { host: 'two', port: 6_379 },
    ]);
    const other = targetOf({}, { REDIS_URL: 'redis-cluster://one', REDIS_PASSWORD: 'pw' });
    expect(other.password?.reveal()).toBe('pw');
  });

  it.each([
    [{}, ['cluster.nodes must be a list']],
    [{ nodes: [] }, ['cluster.nodes must be a list']],
    [{ nodes: [{ host: 'redis://x' }] }, ['cluster.nodes has an entry']],
    [{ nodes: [{ host: 'x', port: 0 }] }, ['cluster.nodes has an entry']],
    [{ nodes, adressMap: {} }, ['cluster.adressMap is not an option; did you mean']],
    [{ nodes, addressMap: 'x' }, ['cluster.addressMap must be']],
    ['one', ['cluster must be an object']],
  ])('refuses %j', (cluster, expected) => {
    const problems = problemsOf({ cluster });
    expect(problems).toHaveLength(expected.length);
    for (const [index, text] of expected.entries()) expect(problems[index]).toContain(text);
  });

  it('excludes what else would name a server', () => {
    const sentinel = { name: 'a', nodes };
    const others = [{ url: 'redis://h' }, { host: 'h' }, { port: 1 }, { path: '/s' }, { sentinel }];
    for (const other of others) {
      expect(problemsOf({ cluster: { nodes }, ...other })).toEqual([
        expect.stringContaining('cluster excludes url, host, port, path and sentinel'),
      ]);
    }
    const all = { cluster: { nodes }, sentinel, url: 'redis://h', database: 3, zone: 'a' };
    expect(problemsOf(all)).toEqual([
      expect.stringContaining('sentinel excludes'),
      expect.stringContaining('cluster excludes'),
      expect.stringContaining('database must be 0'),
      expect.stringContaining('zone is of use'),
    ]);
    const env = { REDIS_URL: 'redis-cluster://one', REDIS_HOST: 'h' };
    expect(problemsOf({}, env)).toEqual([expect.stringContaining('REDIS_URL names a cluster')]);
  });

  it('has no database but 0', () => {
    for (const database of [undefined, 0])
      expect(problemsOf({ cluster: { nodes }, database })).toEqual([]);
    const refused = [expect.stringContaining('database must be 0')];
    expect(problemsOf({ cluster: { nodes }, database: 1 })).toEqual(refused);
    expect(problemsOf({ url: 'redis-cluster://one/1' })).toEqual(refused);
    expect(problemsOf({}, { REDIS_URL: 'redis-cluster://one', REDIS_DB: '1' })).toEqual(refused);
  });

  it('is not sent what the environment says of another server', () => {
    const env = { REDIS_HOST: 'h', REDIS_PASSWORD: 'hush', REDIS_DB: '3' };
    const { password, database } = targetOf({ cluster: { nodes } }, env);
    expect([password, database]).toEqual([undefined, 0]);
  });
});

describe('reads and zone', () => {
  it('belong together', () => {
    const cluster = { nodes };
    expect(problemsOf({ cluster, reads: 'nearest-zone' })).toEqual([
      "zone must be given for reads: 'nearest-zone'",
    ]);
    expect(problemsOf({ cluster, zone: 'a' })).toEqual([
      "zone is of use with reads: 'nearest-zone' alone",
    ]);
    expect(problemsOf({ cluster, reads: 'nearest-zone', zone: 'a' })).toEqual([]);
    expect(problemsOf({ cluster, reads: 'replica' })).toEqual([
      expect.stringContaining('reads must be primary, prefer-replica or nearest-zone'),
    ]);
  });

  it('may be given for one server, which then serves all, and behind sentinels', () => {
    expect(problemsOf({ reads: 'prefer-replica' })).toEqual([]);
    const sentinel = { name: 'a', nodes };
    expect(problemsOf({ sentinel, reads: 'prefer-replica' })).toEqual([]);
    expect(problemsOf({ sentinel, reads: 'nearest-zone' })).toEqual([
      "zone must be given for reads: 'nearest-zone'",
    ]);
    expect(problemsOf({ url: 'redis-sentinel://s/a?reads=nearest-zone&zone=b' })).toEqual([]);
  });
});
