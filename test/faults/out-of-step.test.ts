// Connections whose replies no longer fit their commands: a transaction that could not be closed,
// a reply that nobody asked for, a command that brings none. Such a connection is ended before
// anybody gets what was meant for another, and what certainly did not run on it is sent again.

import { describe, expect, test } from 'vitest';

import { Command } from '../../src/base/command.js';
import type { Pool } from '../../src/index.js';
import type { ConnectionPool } from '../../src/pool/pool.js';
import { type Outcome, outcomeOf, outcomesOf } from '../support/outcome.js';
import { usePools } from '../support/pools.js';
import { afterHandshake, startScriptedServer } from '../support/scripted-server.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';

const open = usePools();

const READERS = 200;

/** Reads and writes of many callers beside `disturb`: each gets its own value, or an error. */
async function checkNeighbours(pool: Pool, disturb: () => Promise<unknown>): Promise<void> {
  const redis = pool.client;
  const keys = Array.from({ length: READERS }, (_, index) => `own:${index}`);
  await Promise.all(keys.map((key) => redis.set(key, `value of ${key}`)));
  await redis.set('tally', '0');
  const reads: Promise<Outcome>[] = [];
  const writes: Promise<Outcome>[] = [];
  const disturbances: Promise<Outcome>[] = [];
  for (let round = 0; round < 5; round++) {
    for (const [index, key] of keys.entries()) {
      if (index % 20 === 0) disturbances.push(outcomeOf(disturb()));
      reads.push(outcomeOf(redis.get(key)));
      if (index % 10 === 0) writes.push(outcomeOf(redis.incr('tally')));
    }
    await Promise.all([...reads, ...disturbances]);
  }
  const expected = Array.from({ length: 5 }, () => keys.map((key) => `value of ${key}`)).flat();
  const seen = await Promise.all(reads);
  expect(seen.map(({ value, code }) => value ?? code)).toEqual(expected);
  const tallies = await Promise.all(writes);
  const counted = tallies.filter(({ code }) => code === 'ok').map(({ value }) => value as number);
  const lost = tallies.map(({ code }) => code).filter((code) => code !== 'ok');
  expect(lost.filter((code) => code !== 'OUTCOME_UNKNOWN')).toEqual([]);
  expect(counted.every((count) => typeof count === 'number')).toBe(true);
  expect(new Set(counted).size).toBe(counted.length);
  const total = Number(await redis.get('tally'));
  expect(total).toBeGreaterThanOrEqual(counted.length);
  expect(total).toBeLessThanOrEqual(tallies.length);
}

describeEachPrivateServer(
  'where EXEC was renamed away',
  (server) => {
    test('a transaction fails and did not run; its neighbours do not notice', async () => {
      const pool = open({ url: server().url, maxConnections: 4 });
      const { error, code } = await outcomeOf(pool.client.multi().set('never', '1').exec());
      expect([code, error?.message]).toEqual(['ERR', expect.stringMatching(/unknown command/)]);
      await checkNeighbours(pool, () => pool.client.multi().set('never', '1').ping().exec());
      expect(await pool.client.exists('never')).toBe(0);
      expect(pool.status().counters.evictions.unclean).toBeGreaterThan(0);
    });

    test('what was queued behind it runs, and once', async () => {
      const pool = open({ url: server().url, maxConnections: 1 });
      const redis = pool.client;
      await redis.ping();
      const refused = outcomeOf(redis.multi().incr('behind').exec());
      const behind = [redis.incr('behind'), redis.incr('behind'), redis.get('behind')];
      expect((await refused).code).toBe('ERR');
      expect(await Promise.all(behind)).toEqual([1, 2, '2']);
      expect(pool.status().counters.retries).toBe(3);
    });

    test('so does what stood behind a second transaction, which is told the same', async () => {
      const pool = open({ url: server().url, maxConnections: 1 });
      const redis = pool.client;
      await redis.ping();
      const outcomes = await outcomesOf([
        redis.multi().incr('second').exec() as Promise<unknown>,
        redis.multi().incr('second').exec() as Promise<unknown>,
        redis.incr('second'),
        redis.get('second'),
      ]);
      expect(outcomes.map(({ code, value }) => value ?? code)).toEqual(['ERR', 'ERR', 1, '1']);
    });

    test('a lease that closes its transaction by hand is ended too', async () => {
      const pool = open({ url: server().url, maxConnections: 2 });
      await checkNeighbours(pool, () =>
        pool.withLease(async (leased) => {
          await leased.sendCommand(['MULTI']);
          await leased.incr('by hand');
          await leased.sendCommand(['exec']);
        }),
      );
      expect(await pool.client.exists('by hand')).toBe(0);
    });
  },
  { args: ['--rename-command', 'EXEC', ''] },
);

describeEachPrivateServer(
  'where MULTI was renamed away',
  (server) => {
    test('a transaction that wrote says that it was none; one that read has the refusal', async () => {
      const pool = open({ url: server().url, maxConnections: 2, retryWrites: 'always' });
      const redis = pool.client;
      const { code, error } = await outcomeOf(redis.multi().incr('ran').get('ran').exec());
      expect([code, error?.sent]).toEqual(['OUTCOME_UNKNOWN', true]);
      expect(error?.message).toMatch(/refused MULTI/);
      expect(String(error?.cause)).toMatch(/unknown command/);
      expect(await redis.get('ran')).toBe('1');
      expect((await outcomeOf(redis.multi().get('ran').exec())).error?.message).toMatch(
        /^ERR unknown command/,
      );
      await checkNeighbours(pool, () => redis.multi().get('ran').exec());
      expect(pool.status().counters.opened).toBeLessThanOrEqual(2);
    });

    test('what blocks when it comes outside of its transaction holds up nobody', async () => {
      const pool = open({ url: server().url, maxConnections: 2, commandTimeoutMs: 300 });
      const blocked = outcomeOf(pool.client.multi().bzPopMax('nothing', 0).exec());
      const keys = ['a', 'b', 'c'];
      const reads = await outcomesOf(keys.map((key) => pool.client.exists(key)));
      expect(reads.map(({ code }) => code)).toEqual(['ok', 'ok', 'ok']);
      expect((await blocked).code).toBe('COMMAND_TIMEOUT');
      expect((await outcomeOf(pool.client.exists('a'))).code).toBe('ok');
    });

    test('a lease whose transaction was refused takes what it watched with it', async () => {
      const pool = open({ url: server().url, maxConnections: 1 });
      await pool.withLease(async (leased) => {
        await leased.watch('watched');
        expect((await outcomeOf(leased.multi().set('watched', '1').exec())).code).toBe(
          'OUTCOME_UNKNOWN',
        );
      });
      await pool.client.ping();
      expect(pool.status().counters.evictions.unclean).toBe(1);
    });
  },
  { args: ['--rename-command', 'MULTI', ''] },
);

describeEachPrivateServer(
  'where DISCARD and UNWATCH were renamed away',
  (server) => {
    test('a lease that left MULTI or WATCH behind does not reach the next', async () => {
      const pool = open({ url: server().url, maxConnections: 2 });
      const messes = [
        async () => {
          const lease = await pool.acquire();
          await lease.client.sendCommand(['MULTI']);
          lease.client.incr('mess').catch(() => undefined);
          lease.release();
        },
        async () => {
          const lease = await pool.acquire();
          await lease.client.watch('tally');
          lease.release();
        },
      ];
      for (const mess of messes) await checkNeighbours(pool, mess);
      const transactions = Array.from({ length: 50 }, async () => {
        await messes[1]?.();
        return pool.client.multi().incr('tally').ping().exec();
      });
      const outcomes = await outcomesOf(transactions);
      const codes = new Set(outcomes.map(({ code }) => code));
      expect([...codes].filter((code) => code !== 'ok' && code !== 'OUTCOME_UNKNOWN')).toEqual([]);
      expect(await pool.client.exists('mess')).toBe(0);
    });
  },
  { args: ['--rename-command', 'DISCARD', '', '--rename-command', 'UNWATCH', ''] },
);

describeEachPrivateServer('a user without', (server) => {
  test.each(['exec', 'multi', 'discard', 'unwatch', 'select', 'ping'])(
    'the permission for %s: its neighbours do not notice',
    async (name) => {
      const admin = open({ url: server().url, maxConnections: 1 });
      const rules = ['on', '>secret', '~*', '&*', '+@all', `-${name}`];
      await admin.client.sendCommand(['ACL', 'SETUSER', 'limited', 'reset', '+@all']);
      await admin.client.sendCommand(['ACL', 'SETUSER', 'limited', ...rules.slice(0, -1)]);
      const pool = open({
        url: server().url,
        username: 'limited',
        password: 'secret',
        maxConnections: 3,
        minConnections: 3,
      });
      await pool.client.ping();
      await until(() => pool.status().connections.open === 3);
      await admin.client.sendCommand(['ACL', 'SETUSER', 'limited', `-${name}`]);
      let turn = 0;
      await checkNeighbours(pool, async () => {
        turn++;
        if (turn % 3 > 0) return pool.client.multi().get('tally').ping().exec();
        return pool.withLease(async (leased) => {
          await leased.watch('tally');
          await leased.select(turn % 2);
          await leased.get('tally');
        });
      });
    },
  );
});

describe('a reply that nobody asked for', () => {
  const SPEAKS_RESP3 = '%2\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n';

  test.each(['+OK\r\n', '$5\r\nstray\r\n', '*1\r\n:1\r\n', '-ERR stray\r\n', '_\r\n'])(
    'ends its idle connection, whatever it is: %j',
    async (stray) => {
      for (const hello of [SPEAKS_RESP3, undefined]) {
        const script = afterHandshake(([name, word], connection) =>
          // In one piece with the reply that was asked for, on the first connection.
          name !== 'GET' ? '+OK\r\n' : `$1\r\n${word}\r\n${connection === 1 ? stray : ''}`,
        );
        await using server = await startScriptedServer((words, connection) =>
          words[0] === 'HELLO' && hello !== undefined ? hello : script(words, connection),
        );
        const pool = open({ url: server.url, maxConnections: 1 });
        expect(await pool.client.get('a')).toBe('a');
        await until(() => pool.status().counters.evictions.lost === 1);
        const keys = ['b', 'c', 'd'];
        expect(await Promise.all(keys.map((key) => pool.client.get(key)))).toEqual(keys);
        expect(server.acceptedConnections).toBe(2);
      }
    },
  );

  test('to an EXEC that is not the reply to it is told to nobody', async () => {
    for (const reply of ['+QUEUED\r\n', ':1\r\n', '*1\r\n:1\r\n', '*3\r\n:1\r\n:2\r\n:3\r\n']) {
      await using server = await startScriptedServer(
        afterHandshake(([name], connection) => {
          if (name === 'EXEC') return connection === 1 ? reply : '*2\r\n:1\r\n:2\r\n';
          return name === 'GET' ? '$5\r\nright\r\n' : '+QUEUED\r\n';
        }),
      );
      const pool = open({ url: server.url, maxConnections: 1 });
      const { code } = await outcomeOf(pool.client.multi().incr('a').incr('b').exec());
      expect(code).toBe('OUTCOME_UNKNOWN');
      expect(await pool.client.get('key')).toBe('right');
      expect(server.acceptedConnections).toBe(2);
    }
  });
});

describeEachPrivateServer('a command that brings no reply', (server) => {
  const bytes = (text: string) => new TextEncoder().encode(text) as unknown as string;
  const UNMATCHABLE = [
    ['REPLCONF', 'ACK', '0'],
    ['replconf', 'ack', '0'],
    ['ReplConf', 'listening-port', '1'],
    [bytes('REPLCONF'), 'ACK', '0'],
    ['CLIENT', 'REPLY', 'OFF'],
    ['client', bytes('reply'), 'SKIP'],
    ['CLIENT', 'REPLY', 'ON'],
    ['SUBSCRIBE', 'constructor'],
    [bytes('monitor')],
    ['PSYNC', '?', '-1'],
    ['SYNC'],
    ['SCRIPT', 'DEBUG', 'YES'],
  ];

  test.each(UNMATCHABLE)('is refused wherever it is sent: %s %s', async (...given) => {
    const words = given.filter((word) => word !== undefined);
    const pool = open({ url: server().url, maxConnections: 2 });
    const ways = [
      pool.client.sendCommand(words),
      pool.client.multi().addCommand(words).exec(),
      pool.client.multi().addCommand(words).execAsPipeline(),
      pool.withLease((leased) => leased.sendCommand(words)),
      pool.withLease((leased) => leased.multi().addCommand(words).exec()),
      pool.withLease((leased) => leased.multi().addCommand(words).execAsPipeline()),
    ];
    const codes = (await outcomesOf(ways as Promise<unknown>[])).map(({ code }) => code);
    expect(codes).toEqual(ways.map(() => 'INVALID_ARGUMENT'));
    expect(await Promise.all(['a', 'b'].map((text) => pool.client.echo(text)))).toEqual(['a', 'b']);
  });

  test('what opens or closes a transaction has no place in a batch, nor a batch in one', async () => {
    const pool = open({ url: server().url, maxConnections: 2 });
    for (const words of [['MULTI'], ['exec'], ['DISCARD'], ['RESET'], ['AUTH', 'x'], ['QUIT']]) {
      const refused = pool.withLease((leased) => leased.multi().addCommand(words).exec());
      expect((await outcomeOf(refused)).code).toBe('INVALID_ARGUMENT');
    }
    await pool.withLease(async (leased) => {
      await leased.sendCommand(['MULTI']);
      expect((await outcomeOf(leased.multi().ping().exec())).code).toBe('INVALID_ARGUMENT');
      expect(await leased.sendCommand(['EXEC'])).toEqual([]);
      expect(await leased.multi().ping().exec()).toEqual(['PONG']);
    });
  });
});

describe('a server that drops the refusal of AUTH behind other replies', () => {
  test('is not asked before those are there', async () => {
    await using server = await startScriptedServer(
      afterHandshake(([name, word]) => (name === 'ECHO' ? `+${word}\r\n` : '-WRONGPASS x\r\n')),
    );
    const pool = open({ url: server.url });
    await pool.withLease(async (leased) => {
      const outcomes = await outcomesOf([
        leased.echo('a'),
        leased.auth({ password: 'x' }),
        leased.sendCommand(['hello', '3', 'AUTH', 'default', 'x']),
        leased.echo('b'),
      ] as Promise<unknown>[]);
      expect(outcomes.map(({ value, code }) => value ?? code)).toEqual([
        'a',
        'INVALID_ARGUMENT',
        'INVALID_ARGUMENT',
        'b',
      ]);
      expect((await outcomeOf(leased.auth({ password: 'x' }))).code).toBe('WRONGPASS');
      expect(await leased.echo('c')).toBe('c');
    });
  });
});

describeEachPrivateServer('what is no command', (server) => {
  const settings = { timeoutMs: 1_000 };
  const kind = { name: 'GET', retryClass: 'read' } as const;
  const NO_COMMANDS: Record<string, unknown> = {
    undefined: undefined,
    null: null,
    'a text': 'GET key',
    words: ['GET', 'key'],
    'an object': {},
    'a command without bytes': new Command(kind, settings, undefined as never, true),
    'a command of no bytes': new Command(kind, settings, '', true),
    'a command of a number': new Command(kind, settings, 1 as never, true),
    'a command of wrong parts': new Command(kind, settings, ['*1', 2 as never], true),
  };

  test.each(Object.keys(NO_COMMANDS))('is refused, and nobody notices: %s', async (name) => {
    const pool = open({ url: server().url, maxConnections: 1 });
    const mechanism = pool as unknown as ConnectionPool;
    const given = NO_COMMANDS[name] as Command;
    const refusals = await outcomesOf([
      mechanism.execute(given),
      mechanism.executeExclusive(given),
      mechanism.acquireLease().then((lease) => lease.execute(given).finally(() => lease.release())),
    ]);
    expect(refusals.map(({ code }) => code)).toEqual(refusals.map(() => 'INVALID_ARGUMENT'));
    expect(await pool.client.echo('mine')).toBe('mine');
    expect(pool.status().inFlight).toBe(0);
  });
});
