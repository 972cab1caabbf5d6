// The first words on a connection, to real servers and to some that are older or stranger.

import { describe, expect, test } from 'vitest';

import type { PoolError } from '../../src/errors.js';
import { LIBRARY_VERSION } from '../../src/wire/version.js';
import { type Behaviour, closesAtOnce, startFakeServer } from '../support/fake-server.js';
import { outcomeOf } from '../support/outcome.js';
import { HANGS_UP, startPersonality } from '../support/personality-server.js';
import { describeEachPrivateServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { everythingShownBy, useConnections } from '../support/wire-connection.js';

const SECRET = 'correct-horse-battery-staple';

describeEachPrivateServer('the handshake', (server) => {
  const open = useConnections();
  const address = () => ({ host: server().host, port: server().port });

  test('asks for RESP3, and learns the number of the connection', async () => {
    const { connection, redis } = await open(address());
    expect(connection.protocol).toBe(3);
    expect(await redis.read('CLIENT', 'ID')).toBe(connection.serverClientId);
    await redis.write('HSET', 'hash', 'field', 'value');
    expect(await redis.read('HGETALL', 'hash')).toEqual({ field: 'value' });
  });

  test('speaks RESP2 where that is asked for', async () => {
    const { connection, redis } = await open({ ...address(), RESP: 2, database: 2, name: 'old' });
    expect(connection.protocol).toBe(2);
    await redis.write('HSET', 'hash', 'field', 'value');
    expect(await redis.read('HGETALL', 'hash')).toEqual(['field', 'value']);
    expect(await redis.read('CLIENT', 'LIST')).toMatch(/ name=old .* db=2 .* resp=2/);
  });

  test('names the connection, the database and the library', async () => {
    const { redis } = await open({ ...address(), name: 'harbour', database: 3 });
    const list = await redis.read<string>('CLIENT', 'LIST');
    const own = list.split('\n').find((line) => line.includes(' name=harbour '));
    expect(own).toMatch(/ db=3 /);
    expect(own).toMatch(/ resp=3/);
    // Told since Redis 7.2.
    if (own?.includes('lib-name') === true) {
      expect(own).toContain(`lib-name=plimsoll lib-ver=${LIBRARY_VERSION}`);
    }
    expect(list).toMatch(/lib-name|name=harbour/);
  });

  test('through a unix socket is the same', async () => {
    const { connection, redis } = await open({ path: server().path, name: 'local' });
    expect(connection.protocol).toBe(3);
    expect(await redis.read('CLIENT', 'GETNAME')).toBe('local');
    expect(await redis.read('ECHO', 'x'.repeat(200_000))).toHaveLength(200_000);
  });

  test('refused a database says HANDSHAKE_FAILED', async () => {
    for (const RESP of [2, 3] as const) {
      const { error } = await outcomeOf(open({ ...address(), RESP, database: 999 }));
      expect(error).toMatchObject({ code: 'HANDSHAKE_FAILED', sent: false });
    }
  });

  test('leaves no connection behind when it fails', async () => {
    await outcomeOf(open({ ...address(), name: 'refused', database: 999 }));
    const { redis } = await open(address());
    expect(await redis.read('CLIENT', 'LIST')).not.toContain('name=refused');
  });
});

describeEachPrivateServer(
  'the handshake with a password',
  (server) => {
    const open = useConnections();
    const address = () => ({ host: server().host, port: server().port });

    test.each([2, 3] as const)('lets us in with the right one, in RESP%d', async (RESP) => {
      const { redis } = await open({ ...address(), RESP, password: SECRET });
      expect(await redis.read('ACL', 'WHOAMI')).toBe('default');
    });

    test.each([2, 3] as const)('lets an ACL user in, in RESP%d', async (RESP) => {
      const admin = await open({ ...address(), password: SECRET });
      const rules = ['on', '~*', '+@all', `>${SECRET}-too`];
      await admin.redis.write('ACL', 'SETUSER', 'skipper', ...rules);
      const user = { username: 'skipper', password: `${SECRET}-too` };
      const { redis } = await open({ ...address(), RESP, ...user });
      expect(await redis.read('ACL', 'WHOAMI')).toBe('skipper');
    });

    test('asks a password function at each connect', async () => {
      let asked = 0;
      const password = async () => {
        asked++;
        return SECRET;
      };
      for (let connects = 1; connects <= 3; connects++) {
        await open({ ...address(), password });
        expect(asked).toBe(connects);
      }
    });

    test('refuses a wrong password with AUTH_FAILED, which shows no password', async () => {
      for (const RESP of [2, 3] as const) {
        for (const username of [undefined, 'nobody']) {
          const user = username === undefined ? {} : { username };
          const wrong = { ...address(), ...user, RESP, password: `wrong-${SECRET}` };
          const { error } = await outcomeOf(open(wrong));
          expect(error).toMatchObject({ code: 'AUTH_FAILED', sent: false });
          expect(error?.message).toContain(`${server().host}:${server().port}`);
          expect(everythingShownBy(error)).not.toContain(SECRET);
        }
      }
    });

    test('refuses no password with AUTH_FAILED', async () => {
      for (const RESP of [2, 3] as const) {
        const { error } = await outcomeOf(open({ ...address(), RESP }));
        expect(error).toMatchObject({ code: 'AUTH_FAILED' });
      }
    });

    test.each([
      ['rejects', () => Promise.reject(new Error('the vault is sealed'))],
      [
        'throws at once',
        () => {
          throw new Error('the vault is sealed');
        },
      ],
      ['gives no string', () => undefined as unknown as string],
      ['gives empty text', () => ''],
    ])('of a function that %s says AUTH_FAILED', async (_, password) => {
      const { error } = await outcomeOf(open({ ...address(), password }));
      expect(error).toMatchObject({ code: 'AUTH_FAILED', sent: false });
    });
  },
  { password: SECRET },
);

/** A server that answers commands by name, the first line of a table that matches. */
function answersByName(answers: readonly (readonly [RegExp, string])[]): Behaviour {
  return (socket) => {
    socket.on('data', (bytes) => {
      for (const command of bytes.toString().split(/(?=\*\d+\r\n)/)) {
        const words = command.split('\r\n').filter((word) => /^[^*$]/.test(word));
        const answer = answers.find(([pattern]) => pattern.test(words.join(' ')));
        socket.write(answer === undefined ? '+OK\r\n' : answer[1]);
      }
    });
  };
}

describe('the handshake with a server', () => {
  const open = useConnections();

  test.each([
    ['knows no HELLO', '-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`,\r\n'],
    ['speaks RESP2 only', '-NOPROTO unsupported protocol version\r\n'],
  ])('that %s falls back to RESP2', async (_, refusal) => {
    const behaviour = answersByName([
      [/^HELLO/, refusal],
      [/^PING/, '+PONG\r\n'],
      [/^CLIENT/, '-ERR unknown command `CLIENT`, with args beginning with:\r\n'],
    ]);
    await using fake = await startFakeServer(behaviour);
    const { host, port } = fake;
    const { connection, redis } = await open({
      ...{ host, port, database: 4, name: 'fallen-back' },
      ...{ username: 'skipper', password: SECRET },
    });
    expect(connection.protocol).toBe(2);
    expect(await redis.read('PING')).toBe('PONG');
    const said = fake.received;
    expect(said.indexOf('HELLO')).toBeLessThan(said.indexOf('$4\r\nAUTH\r\n$7\r\nskipper'));
    expect(said).toContain(`*3\r\n$4\r\nAUTH\r\n$7\r\nskipper\r\n$28\r\n${SECRET}\r\n`);
    expect(said).toContain('*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$11\r\nfallen-back\r\n');
    expect(said.match(/SELECT\r\n\$1\r\n4/g)).toHaveLength(2);
  });

  test('that echoes our words in an error shows no password', async () => {
    // Redis cuts what it repeats short, so that no whole password may be there to be found.
    const start = SECRET.slice(0, 14);
    const echo = (command: string) =>
      `-ERR unknown command '${command}', with args beginning with: '${start}'\r\n`;
    const renamedAuth = answersByName([
      [/^HELLO/, echo('HELLO')],
      [/^AUTH/, echo('AUTH')],
    ]);
    const oddHello = answersByName([
      [/^HELLO/, `-ERR no HELLO 3 AUTH default ${SECRET} here\r\n`],
      [/^AUTH/, `-ERR no AUTH ${SECRET} here\r\n`],
    ]);
    for (const [behaviour, RESP] of [
      [renamedAuth, 3],
      [renamedAuth, 2],
      [oddHello, 3],
    ] as const) {
      await using fake = await startFakeServer(behaviour);
      const { host, port } = fake;
      const { error } = await outcomeOf(open({ host, port, RESP, password: SECRET }));
      expect((error as PoolError).code).toMatch(/^(AUTH|HANDSHAKE)_FAILED$/);
      expect(everythingShownBy(error)).not.toContain(start);
    }
  });

  test.each([
    ['HELLO', 'LOADING Redis is loading the dataset in memory', 'SERVER_LOADING'],
    ['PING', 'LOADING Redis is loading the dataset in memory', 'SERVER_LOADING'],
    ['SELECT', 'LOADING Redis is loading the dataset in memory', 'SERVER_LOADING'],
    ['HELLO', 'ERR max number of clients reached', 'MAX_CLIENTS'],
    ['HELLO', 'DENIED Redis is running in protected mode because ...', 'HANDSHAKE_FAILED'],
    ['HELLO', 'WRONGPASS invalid username-password pair', 'AUTH_FAILED'],
    ['HELLO', 'ERR invalid password', 'AUTH_FAILED'],
    ['SELECT', 'ERR DB index is out of range', 'HANDSHAKE_FAILED'],
    [
      'SELECT',
      "NOPERM this user has no permissions to run the 'select' command",
      'HANDSHAKE_FAILED',
    ],
    ['SELECT', 'BUSY Redis is busy running a script.', 'CONNECT_FAILED'],
    ['(HELLO|AUTH)', 'ERR no entry', 'AUTH_FAILED'],
    ['(HELLO|AUTH)', 'BUSY Redis is busy running a script.', 'CONNECT_FAILED'],
  ])('that answers %s with "%s" says %s at the first try', async (command, words, code) => {
    const pattern = new RegExp(`^${command}`);
    await using server = await startPersonality({ name: 'refuser', refuses: [[pattern, words]] });
    const { host, port } = server;
    const { error } = await outcomeOf(open({ host, port, database: 1, password: SECRET }));
    expect(error).toMatchObject({ code, sent: false });
    expect(error?.message).toContain(words);
    expect(server.acceptedConnections).toBe(1);
  });

  test.each([
    ['%2\r\n+id\r\n:7\r\n+proto\r\n:3\r\n', 3, 7],
    ['%2\r\n+id\r\n:7\r\n+proto\r\n:2\r\n', 2, 7],
    ['*4\r\n+id\r\n:7\r\n+proto\r\n:2\r\n', 2, 7],
    ['%0\r\n', 3, undefined],
    ['+OK\r\n', 2, undefined],
    ['$-1\r\n', 2, undefined],
    ['_\r\n', 2, undefined],
    ['*1\r\n+id\r\n', 2, undefined],
  ])('that answers HELLO with %j speaks RESP%d', async (hello, protocol, id) => {
    await using server = await startPersonality({ name: 'speaker', hello });
    const { host, port } = server;
    const { connection } = await open({ host, port });
    expect([connection.protocol, connection.serverClientId]).toEqual([protocol, id]);
  });

  test('that greets everybody and then wants a password says AUTH_FAILED', async () => {
    const refuses = [[/^(CLIENT|PING)/, 'NOAUTH Authentication required.']] as const;
    await using server = await startPersonality({ name: 'doorman', refuses });
    const { host, port } = server;
    for (const RESP of [2, 3] as const) {
      const { error } = await outcomeOf(open({ host, port, RESP }));
      expect(error).toMatchObject({ code: 'AUTH_FAILED', sent: false });
    }
  });

  test('that hangs up once is no server without HELLO', async () => {
    let connections = 0;
    const behaviour = answersByName([
      [/^HELLO/, '%1\r\n$2\r\nid\r\n:7\r\n'],
      [/^PING/, '+PONG\r\n'],
    ]);
    await using fake = await startFakeServer((socket) => {
      if (connections++ === 0) closesAtOnce(socket);
      else behaviour(socket);
    });
    const { host, port } = fake;
    const { connection } = await open({ host, port });
    expect(connection.protocol).toBe(3);
    // Only the one connection stays.
    await until(() => fake.openConnections === 1);
  });

  test('that always hangs up is dialed with each greeting and says CONNECT_FAILED', async () => {
    await using fake = await startFakeServer(closesAtOnce);
    const { host, port } = fake;
    const { error } = await outcomeOf(open({ host, port }));
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', sent: false });
    expect(fake.acceptedConnections).toBe(3);
    await outcomeOf(open({ host, port, RESP: 2 }));
    expect(fake.acceptedConnections).toBe(5);
  });

  test('that refuses HELLO and hangs up is quoted', async () => {
    const behaviour: Behaviour = (socket) => {
      socket.once('data', () => socket.end('-ERR no backend is there\r\n'));
    };
    await using fake = await startFakeServer(behaviour);
    const { host, port } = fake;
    const { error } = await outcomeOf(open({ host, port }));
    expect(error).toMatchObject({ code: 'CONNECT_FAILED' });
    expect(error?.message).toContain('no backend is there');
  });

  test('that hangs up on CLIENT keeps RESP3 and loses the name alone', async () => {
    const refuses = [[/^CLIENT/, HANGS_UP]] as const;
    await using server = await startPersonality({ name: 'shy', refuses });
    const { host, port } = server;
    const { connection } = await open({ host, port });
    expect(connection.protocol).toBe(3);
    expect(server.commands).toContain('HELLO 3');
  });

  test('tells the library with its tag, or not at all', async () => {
    await using server = await startPersonality({ name: 'listener' });
    const { host, port } = server;
    const infos = () => server.commands.filter((words) => words.startsWith('CLIENT SETINFO'));
    await open({ host, port, disableClientInfo: true });
    expect(infos()).toEqual([]);
    await open({ host, port, clientInfoTag: 'shop_v2' });
    expect(infos()[0]).toBe('CLIENT SETINFO LIB-NAME plimsoll(shop_v2)');
  });
});

describeEachPrivateServer('the handshake with a busy server', (server) => {
  const open = useConnections();

  test('succeeds, so that SCRIPT KILL gets through', async () => {
    const { host, port } = server();
    const { redis } = await open({ host, port });
    await redis.write('CONFIG', 'SET', 'lua-time-limit', '1');
    const script = redis.with({ timeout: 0 }).write('EVAL', 'while true do end', '0');
    script.catch(() => undefined);
    await until(async () => (await outcomeOf(open({ host, port }))).code === 'ok', 10_000);
    const { redis: admin } = await open({ host, port });
    expect((await outcomeOf(admin.read('GET', 'key'))).code).toBe('BUSY');
    expect(await admin.write('SCRIPT', 'KILL')).toBe('OK');
    expect((await outcomeOf(script)).error?.message).toMatch(/killed/);
  });
});

describeEachPrivateServer(
  'the handshake with a replica that has lost its primary',
  (server) => {
    const open = useConnections();

    test.each([2, 3] as const)(
      'succeeds, so that what it answers is seen, in RESP%d',
      async (RESP) => {
        const { host, port } = server();
        const { connection, redis } = await open({ host, port, RESP });
        expect(connection.protocol).toBe(RESP);
        expect((await outcomeOf(redis.read('PING'))).code).toBe('MASTERDOWN');
        expect((await outcomeOf(redis.read('GET', 'key'))).code).toBe('MASTERDOWN');
      },
    );
  },
  { args: ['--replicaof', '127.0.0.1 1', '--replica-serve-stale-data', 'no'] },
);
