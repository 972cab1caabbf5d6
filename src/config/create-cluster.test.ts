import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { resolveOptions } from './resolve.js';

const rootNodes = [{ url: 'redis://one:7000' }, { socket: { host: 'two', port: 7001 } }];

function problemsOf(options: object): readonly string[] {
  return problemsIn(() => resolveOptions(options, {}));
}

describe("options of node-redis' createCluster()", () => {
  it('are read as ours', () => {
    const nodeAddressMap = { 'a:1': { host: 'b', port: 2 } };
    const resolved = resolveOptions(
      {
        rootNodes,
        nodeAddressMap,
        useReplicas: true,
        maxCommandRedirections: 16,
        minimizeConnections: true,
        RESP: 2,
        defaults: {
          username: 'app',
          password: 'pw',
          name: 'shop',
          pingInterval: 5_000,
          socket: { connectTimeout: 750, tls: true, servername: 'shop.example', keepAlive: true },
        },
      },
      {},
    );
    const { target } = resolved;
    expect(target.cluster).toEqual({
      nodes: [
        { host: 'one', port: 7_000 },
        { host: 'two', port: 7_001 },
      ],
      addressMap: nodeAddressMap,
    });
    expect(target).toMatchObject({ username: 'app', name: 'shop', reads: 'prefer-replica' });
    expect(target).toMatchObject({ connectTimeoutMs: 750, protocol: 2 });
    expect(target.password?.reveal()).toBe('pw');
    expect(target.tls?.reveal()).toEqual({ servername: 'shop.example' });
    expect([resolved.minConnections, resolved.healthCheckIntervalMs]).toEqual([0, 5_000]);
  });

  it('go with options of ours', () => {
    const options = { rootNodes, maxConnections: 7, useReplicas: false, password: 'pw' };
    const { target, maxConnections } = resolveOptions(options, {});
    expect([target.reads, maxConnections, target.password?.reveal()]).toEqual(['primary', 7, 'pw']);
  });

  it('have one login for all nodes', () => {
    const url = 'rediss://app:pw@one:7000';
    const { target } = resolveOptions({ rootNodes: [{ url }, { url }] }, {});
    expect([target.username, target.password?.reveal(), target.tls?.reveal()]).toEqual([
      ...['app', 'pw', {}],
    ]);
    const defaults = { username: 'other', password: 'theirs' };
    const both = resolveOptions({ rootNodes: [{ url }], defaults }, {}).target;
    expect([both.username, both.password?.reveal()]).toEqual(['other', 'theirs']);
    const alone = resolveOptions(
      { rootNodes: [{ url }], defaults: { password: 'new' } },
      {},
    ).target;
    expect([alone.username, alone.password?.reveal()]).toEqual([undefined, 'new']);
    const two = [{ url }, { url: 'rediss://app:hunter2@two' }];
    const problems = problemsOf({ rootNodes: two });
    expect(problems).toEqual(['rootNodes disagree on password: put it into defaults']);
    expect(problemsOf({ rootNodes: two, defaults })).toHaveLength(1);
  });

  it.each([
    [{ rootNodes: [] }, /^rootNodes must be a list of/],
    [{ rootNodes: 'hunter2' }, /^rootNodes must be a list of/],
    [{ rootNodes: ['hunter2'] }, /^rootNodes\[0] must be an object, not text/],
    [{ rootNodes: [{ url: 5 }] }, /^rootNodes\[0]\.url must be an address/],
    [{ rootNodes: [{ url: 'hunter2' }] }, /^rootNodes\[0]\.url is not an address/],
    [{ rootNodes: [{ url: 'redis-sentinel://a/b' }] }, /\.url must be the address of one node/],
    [{ rootNodes: [{ socket: 5 }] }, /^rootNodes\[0]\.socket must be an object/],
    [{ rootNodes: [{ socket: { host: 'a', port: 0 } }] }, /^cluster\.nodes has an entry/],
    [{ rootNodes, cluster: { nodes: [{ host: 'a' }] } }, /^rootNodes excludes cluster/],
    [{ rootNodes, useReplicas: true, reads: 'primary' }, /^useReplicas excludes reads/],
    [{ rootNodes, useReplicas: 1 }, /^useReplicas must be true or false/],
    [{ rootNodes, maxCommandRedirections: 5 }, /^maxCommandRedirections is not an option: there/],
    [{ rootNodes, clientSideCache: {} }, /^clientSideCache is not an option here: there is no/],
    [{ rootNodes, defaults: 'hunter2' }, /^defaults must be an object/],
    [{ rootNodes, defaults: { url: 'redis://h' } }, /^defaults must not name a server/],
    [{ rootNodes, defaults: { readonly: true } }, /^defaults\.readonly .*reads: 'prefer-replica'/],
    [{ rootNodes, defaults: { RESP: 2 } }, /^defaults\.RESP .*one of the pool/],
    [{ rootNodes, defaults: { nonsense: 1 } }, /^defaults\.nonsense has no meaning here/],
    [{ rootNodes, defaults: { 'hunter2!': 1 } }, /^A field has no meaning here/],
    [{ rootNodes, defaults: { database: 1 } }, /^database must be 0/],
    [{ rootNodes, defaults: { socket: { ca: 'x' } } }, /^defaults\.socket\.ca has no meaning/],
    [{ rootNodes, defaults: { socket: { tls: true, ca: 'x' } } }, /^tls has a ca that is no/],
    [
      { rootNodes, defaults: { socket: { reconnectStrategy: false } } },
      /^reconnectStrategy must not be false: a pool connects again/,
    ],
    [{ rootNodes, readonly: true }, /^readonly is of one server: give reads/],
    [{ rootNodes, constructor: 1 }, /^constructor is not an option/],
  ])('that have no meaning are refused: %j', (options, problem) => {
    const problems = problemsOf(options);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).not.toContain('hunter2');
  });

  it('without rootNodes are told by the names of ours', () => {
    expect(problemsOf({ useReplicas: true })).toEqual([
      'useReplicas is not an option; did you mean reads?',
    ]);
    expect(problemsOf({ nodeAddressMap: {} })).toEqual([
      'nodeAddressMap is not an option; did you mean cluster.addressMap?',
    ]);
  });
});
