import { describe, expect, it } from 'vitest';
import {
  coverageOf,
  locatorFor,
  parseAddress,
  readSlots,
  type SlotRange,
  signatureOf,
} from './slot-map.js';

const origin = { host: 'seed.example', port: 7000 };
const asSaid = locatorFor(origin, undefined);
const ID = 'a'.repeat(40);

function read(...lines: unknown[]): SlotRange[] {
  return readSlots(lines, origin, asSaid);
}

/** Where the only node of a line is reached; `undefined`: the line was left out. */
function addressOf(...node: unknown[]): string | undefined {
  const [range] = read([0, 1, node]);
  return range && `${range.primary.address.host}|${range.primary.address.port}`;
}

describe('readSlots', () => {
  it('reads slots, primaries and replicas', () => {
    const ranges = read(
      [0, 99, ['10.0.0.1', 7000, ID, []], ['10.0.0.2', 7001, 'b', []]],
      [100, 16_383, ['10.0.0.3', 7002, 'c', []]],
    );
    expect(ranges).toMatchObject([
      {
        start: 0,
        end: 99,
        primary: { id: ID, address: { host: '10.0.0.1', port: 7000 } },
        replicas: [{ id: 'b', address: { host: '10.0.0.2', port: 7001 } }],
      },
      { start: 100, end: 16_383, primary: { id: 'c' }, replicas: [] },
    ]);
    expect(coverageOf(ranges)).toBe(16_384);
  });

  it.each([
    [['10.0.0.1', 7001, ID], '10.0.0.1|7001'],
    [['node.example', 7001, ID], 'node.example|7001'],
    [['fd00::1', 7001, ID], 'fd00::1|7001'],
    [['10.0.0.1', '7001'], '10.0.0.1|7001'],
    [['10.0.0.1', 7001, ID, ['hostname', 'node.example']], '10.0.0.1|7001'],
  ])('takes %j as it is', (node, expected) => {
    expect(addressOf(...node)).toBe(expected);
  });

  it('takes no endpoint for the host that has answered, and its host name', () => {
    for (const endpoint of [null, '', undefined]) {
      expect(addressOf(endpoint, 7001, ID)).toBe('seed.example|7001');
      expect(addressOf(endpoint, 7001, ID, { ip: '10.0.0.1' })).toBe('seed.example|7001');
    }
  });

  it('never takes a question mark for a host', () => {
    expect(addressOf('?', 7001, ID)).toBeUndefined();
    expect(addressOf('?', 7001, ID, [])).toBeUndefined();
    expect(addressOf('?', 7001, ID, { ip: '', hostname: '?' })).toBeUndefined();
    expect(addressOf('?', 7001, ID, ['ip', '10.0.0.1'])).toBe('10.0.0.1|7001');
    expect(addressOf('?', 7001, ID, { hostname: 'node.example' })).toBe('node.example|7001');
    expect(addressOf('?', 7001, ID, new Map([['ip', '10.0.0.1']]))).toBe('10.0.0.1|7001');
  });

  it('takes port 0 for the port that has answered', () => {
    expect(addressOf('10.0.0.1', 0, ID)).toBe('10.0.0.1|7000');
  });

  it('reads names from metadata of either protocol', () => {
    const names = (metadata: unknown) => read([0, 1, ['h', 7001, ID, metadata]])[0]?.primary.names;
    const all = ['h:7001', '10.0.0.1:7001', 'node.example:7001'];
    expect(names(['ip', '10.0.0.1', 'hostname', 'node.example'])).toEqual(all);
    expect(names({ ip: '10.0.0.1', hostname: 'node.example', shard: 'x' })).toEqual(all);
    expect(names(['hostname', 'ip'])).toEqual(['h:7001', 'ip:7001']);
    for (const nonsense of [null, 5, 'ip', [5], ['ip', null]]) {
      expect(names(nonsense)).toEqual(['h:7001']);
    }
  });

  it('leaves out what makes no sense, and keeps the rest', () => {
    const good = [5, 5, ['h', 1, ID]];
    const bad = [
      ...[null, 7, 'x', {}, [], [0], [0, 1], [0, 1, null], [0, 1, 'h'], [0, 1, []]],
      ...[
        [-1, 1, ['h', 1]],
        [0, 16_384, ['h', 1]],
        [2, 1, ['h', 1]],
        ['0', '1', ['h', 1]],
      ],
      ...[
        [0.5, 1, ['h', 1]],
        [0, 1, ['h', -1]],
        [0, 1, ['h', 65_536]],
        [0, 1, ['h', 'x']],
      ],
      ...[
        [0, 1, ['h', null]],
        [0, 1, ['h', '']],
        [0, 1, [5, 1]],
        [0, 1, ['h']],
      ],
    ];
    for (const line of bad) {
      expect(read(line, good)).toHaveLength(1);
      expect(coverageOf(read(line, good))).toBe(1);
    }
    for (const reply of [null, undefined, 'OK', 5, {}, []]) {
      expect(readSlots(reply, origin, asSaid)).toEqual([]);
    }
  });

  it('takes no replica for a primary that cannot be read', () => {
    expect(read([0, 1, ['?', 7001, ID], ['10.0.0.2', 7002, 'b']])).toEqual([]);
    const [range] = read([0, 1, ['h', 1, ID], ['?', 2, 'b'], null, ['h', 1, ID], ['h', 3, 'c']]);
    expect(range?.replicas.map(({ id }) => id)).toEqual(['c']);
  });
});

describe('locatorFor', () => {
  const announced = { host: '10.0.0.1', port: 7001 };

  it('asks the map, object or function, before all else', () => {
    const there = { host: 'gateway', port: 9001 };
    for (const map of [{ '10.0.0.1:7001': there }, () => there]) {
      expect(locatorFor(origin, map)(announced)).toEqual(there);
    }
    for (const map of [{}, () => undefined, { constructor: there }]) {
      expect(locatorFor(origin, map)(announced)).toEqual(announced);
    }
    const loopback = { '127.0.0.1:7001': there };
    expect(locatorFor(origin, loopback)({ host: '127.0.0.1', port: 7001 })).toEqual(there);
  });

  it('says so where a map gives no address', () => {
    for (const wrong of ['h:1', { host: 'h' }, { host: '', port: 1 }, null, { port: 1 }]) {
      const map = (() => wrong) as never;
      expect(() => locatorFor(origin, map)(announced)).toThrow(/addressMap gave no \{ host, port/);
    }
  });

  it('takes loopback from a node that was reached elsewhere for that place', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
      expect(asSaid({ host, port: 7001 })).toEqual({ host: 'seed.example', port: 7001 });
      const own = locatorFor({ host: 'localhost', port: 1 }, undefined);
      expect(own({ host, port: 7001 })).toEqual({ host, port: 7001 });
    }
  });
});

describe('parseAddress', () => {
  it.each([
    ['10.0.0.1:7001', '10.0.0.1', 7001],
    ['node.example:7001', 'node.example', 7001],
    ['::1:7001', '::1', 7001],
    ['fd00::ab:1:7001', 'fd00::ab:1', 7001],
    ['[fd00::1]:7001', 'fd00::1', 7001],
    [':7001', 'seed.example', 7001],
    [' 10.0.0.1:7001 extra', '10.0.0.1', 7001],
    ['10.0.0.1:0', '10.0.0.1', 7000],
  ])('reads %j', (text, host, port) => {
    expect(parseAddress(text, origin)).toEqual({ host, port });
  });

  it.each(['', '?', '?:7001', '10.0.0.1', 'h:', 'h:x', 'h:70000', 'h:-1', 'h:1.5', '__proto__'])(
    'reads nothing in %j',
    (text) => {
      expect(parseAddress(text, origin)).toBeUndefined();
    },
  );
});

describe('signatureOf', () => {
  it('is the same for the same view in another order, and for no other', () => {
    const one = [0, 1, ['h', 1, ID], ['h', 2, 'b'], ['h', 3, 'c']];
    const same = [0, 1, ['h', 1, ID], ['h', 3, 'c'], ['h', 2, 'b']];
    const two = [2, 3, ['h', 4, 'd']];
    expect(signatureOf(read(one, two))).toBe(signatureOf(read(two, same)));
    for (const other of [
      [0, 2, ['h', 1, ID], ['h', 2, 'b'], ['h', 3, 'c']],
      [0, 1, ['h', 2, 'b'], ['h', 1, ID], ['h', 3, 'c']],
      [0, 1, ['h', 1, 'e'], ['h', 2, 'b'], ['h', 3, 'c']],
      [0, 1, ['h', 1, ID], ['h', 2, 'b']],
    ]) {
      expect(signatureOf(read(other, two))).not.toBe(signatureOf(read(one, two)));
    }
  });
});
