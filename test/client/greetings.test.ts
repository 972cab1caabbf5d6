// Servers that make anything of the words of a handshake, drawn at random: whoever answers PING, and
// SELECT where a database is asked for, is connected to, and no socket is left behind.

import { expect, test } from 'vitest';

import { outcomeOf } from '../support/outcome.js';
import { HANGS_UP, type Personality, startPersonality } from '../support/personality-server.js';
import { seededRandom, testSeed } from '../support/seeded-random.js';
import { until } from '../support/until.js';
import { useConnections } from '../support/wire-connection.js';

const SERVERS = 400;
const SECRET = 'correct-horse-battery-staple';
/** What it does with a command; `undefined`: what Redis 7 does. */
const REACTIONS = [
  ...[undefined, undefined, HANGS_UP, 'ERR unknown command', 'ERR unsupported', 'DENIED'],
  ...['NOPERM no permissions', 'NOPROTO sorry', 'BUSY a script runs', 'ERR syntax error', ''],
] as const;
const COMMANDS = ['HELLO', 'HELLO .*SETNAME', 'CLIENT SETNAME', 'CLIENT SETINFO', 'SELECT', 'PING'];
const HELLOS = [undefined, undefined, '+OK\r\n', '*0\r\n', '%0\r\n', '_\r\n', ':3\r\n', '$-1\r\n'];

test('a server that answers in its own way is connected to, and each attempt ends', async () => {
  const seed = testSeed();
  console.log(`greetings: TEST_SEED=${seed}`);
  const random = seededRandom(seed);
  const seen = { ok: 0, refused: 0 };
  for (let index = 0; index < SERVERS; index++) {
    const reactions = COMMANDS.map((command) => [command, random.pick(REACTIONS)] as const);
    const refuses = reactions.flatMap(([command, reaction]) =>
      reaction === undefined ? [] : [[new RegExp(`^${command}`), reaction] as const],
    );
    const hello = random.pick(HELLOS);
    const personality: Personality = {
      name: 'random',
      refuses,
      ...(hello === undefined ? {} : { hello }),
      wantsAuthFirst: random.next() < 0.2,
      knowsUsers: random.next() < 0.5,
    };
    const database = random.pick([0, 3]);
    const password = random.next() < 0.5 ? SECRET : undefined;
    await using server = await startPersonality(personality, password);
    const { host, port } = server;
    const login =
      password === undefined ? {} : { password, ...random.pick([{}, { username: 'me' }]) };
    const RESP = random.pick([2, 3] as const);
    const { code, error } = await outcomeOf(open({ host, port, RESP, database, ...login }));
    const [select, ping] = [reactions[4]?.[1], reactions[5]?.[1]];
    const isServed = ping !== HANGS_UP && (database === 0 || select === undefined);
    const shown = {
      seed,
      index,
      reactions,
      personality,
      database,
      login,
      RESP,
      said: error?.message,
    };
    expect({ ...shown, isServed: code === 'ok' }).toEqual({ ...shown, isServed });
    if (code !== 'ok') expect(code).toMatch(/^(CONNECT|HANDSHAKE)_FAILED$/);
    await until(() => server.openConnections === (isServed ? 1 : 0));
    expect(server.failedLogins).toBe(0);
    seen[isServed ? 'ok' : 'refused']++;
  }
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(SERVERS / 20);
});

const open = useConnections();
