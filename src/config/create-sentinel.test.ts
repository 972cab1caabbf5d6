import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { resolveOptions } from './resolve.js';

const sentinelRootNodes = [
  { host: 'one', port: 26_379 },
  { host: 'two', port: 26_380 },
];
const base = { name: 'harbour', sentinelRootNodes };

function problemsOf(options: object): readonly string[] {
  return problemsIn(() => resolveOptions(options, {}));
}

describe("options of node-redis' createSentinel()", () => {
  it('are read as ours', () => {
    const nodeAddressMap = { 'a:1': { host: 'b', port: 2 } };
    const resolved = resolveOptions(
      {
        ...base,
        ...{ nodeAddressMap, masterPoolSize: 2, replicaPoolSize: 3, RESP: 2 },
        ...{ scanInterval: 10_000, maxCommandRediscovers: 16 },
        ...{ reserveClient: true, passthroughClientErrorEvents: true },
        nodeClientOptions: {
          username: 'app',
          password: 'pw',
          name: 'shop',
          database: 4,
          socket: { connectTimeout: 750, tls: true, servername: 'shop.example' },
        },
        sentinelClientOptions: { password: 'theirs', socket: { connectTimeout: 750 } },
      },
      {},
    );
    const { target } = resolved;
    expect(target.sentinel).toMatchObject({
      name: 'harbour',
      nodes: sentinelRootNodes,
      addressMap: nodeAddressMap,
      username: undefined,
      tls: undefined,
    });
    expect(target.sentinel?.password?.reveal()).toBe('theirs');
    expect(target).toMatchObject({ username: 'app', name: 'shop', database: 4, protocol: 2 });
    expect(target).toMatchObject({ connectTimeoutMs: 750, reads: 'prefer-replica' });
    expect(target.password?.reveal()).toBe('pw');
    expect(target.tls?.reveal()).toEqual({ servername: 'shop.example' });
    expect(resolved.minConnections).toBe(2);
  });

  it('go with options of ours, and read from the primary where nothing else is said', () => {
    const options = { ...base, maxConnections: 7, replicaPoolSize: 0, password: 'pw' };
    const { target, maxConnections } = resolveOptions(options, {});
    expect([target.reads, maxConnections, target.password?.reveal()]).toEqual(['primary', 7, 'pw']);
    expect(target.name).toBe('plimsoll');
    const zoned = resolveOptions({ ...base, reads: 'nearest-zone', zone: 'west' }, {});
    expect(zoned.target).toMatchObject({ reads: 'nearest-zone', zone: 'west' });
  });

  it('send no password of the servers to sentinels, nor the reverse', () => {
    const { target } = resolveOptions({ ...base, nodeClientOptions: { password: 'pw' } }, {});
    expect(target.sentinel?.password).toBeUndefined();
    const other = resolveOptions({ ...base, sentinelClientOptions: { password: 'pw' } }, {});
    expect(other.target.password).toBeUndefined();
  });

  it.each([
    [{ ...base, sentinelRootNodes: [] }, /^sentinelRootNodes must be a list of/],
    [{ ...base, sentinelRootNodes: 'hunter2' }, /^sentinelRootNodes must be a list of/],
    [{ ...base, sentinelRootNodes: ['hunter2'] }, /^sentinel\.nodes /],
    [{ sentinelRootNodes }, /^sentinel\.name must be the name/],
    [{ ...base, name: 5 }, /^sentinel\.name must be the name/],
    [
      { ...base, sentinel: { name: 'a', nodes: sentinelRootNodes } },
      /^sentinelRootNodes excludes sentinel/,
    ],
    [{ ...base, rootNodes: [{}] }, /^sentinelRootNodes excludes cluster/],
    [{ ...base, replicaPoolSize: 1, reads: 'primary' }, /^replicaPoolSize excludes reads/],
    [{ ...base, replicaPoolSize: -1 }, /^replicaPoolSize must be an integer of at least 0/],
    [{ ...base, replicaPoolSize: 'hunter2' }, /^replicaPoolSize must be an integer .* not text/],
    [{ ...base, masterPoolSize: 0 }, /^masterPoolSize must be an integer of at least 1/],
    [{ ...base, masterPoolSize: 1, minConnections: 1 }, /^masterPoolSize excludes minConn/],
    [{ ...base, scanInterval: 100 }, /^scanInterval is not an option: .* each 5000 ms/],
    [{ ...base, maxCommandRediscovers: 3 }, /^maxCommandRediscovers is not an option: retry/],
    [{ ...base, reserveClient: false }, /^reserveClient is always true here/],
    [{ ...base, clientSideCache: {} }, /^clientSideCache is not an option here: there is no/],
    [{ ...base, nodeClientOptions: 'hunter2' }, /^nodeClientOptions must be an object/],
    [{ ...base, nodeClientOptions: { url: 'redis://h' } }, /^nodeClientOptions must not name/],
    [{ ...base, nodeClientOptions: { RESP: 2 } }, /^nodeClientOptions\.RESP .*one of the pool/],
    [{ ...base, nodeClientOptions: { nonsense: 1 } }, /^nodeClientOptions\.nonsense has no mean/],
    [
      { ...base, nodeClientOptions: { socket: { reconnectStrategy: false } } },
      /^reconnectStrategy must not be false/,
    ],
    [
      { ...base, sentinelClientOptions: { socket: { connectTimeout: 5 } } },
      /^sentinelClientOptions has another connectTimeoutMs than nodeClientOptions/,
    ],
    [{ ...base, sentinelClientOptions: { username: 'a' } }, /^sentinel\.username needs a password/],
    [{ ...base, constructor: 1 }, /^constructor is not an option/],
  ])('that have no meaning are refused: %j', (options, problem) => {
    const problems = problemsOf(options);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).not.toContain('hunter2');
  });
});
