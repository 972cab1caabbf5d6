// One set of tests for all who speak RESP: old servers, proxies, managed services and forks, as
// fake servers; Redis and Valkey as they are, with passwords, with a narrow ACL, with commands
// renamed away.

import { describe, expect, test } from 'vitest';

import { type PrivateServerOptions, startPrivateServer } from '../../scripts/redis-server.js';
import type { createPool, PoolError } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { PERSONALITIES } from '../support/personalities.js';
import { type PersonalityServer, startPersonality } from '../support/personality-server.js';
import { usePools } from '../support/pools.js';
import { foundServers } from '../support/servers.js';

const SECRET = 'correct-horse-battery-staple';

type PoolOptions = NonNullable<Parameters<typeof createPool>[0]>;
type Options = Omit<PoolOptions, 'RESP'> & { readonly RESP?: 2 | 3 };

const open = usePools();

interface Abilities {
  readonly transactions?: boolean | undefined;
}

/** What every server has to do for us, whatever it makes of the handshake. */
async function serves(options: Options, has: Abilities): Promise<void> {
  const errors: PoolError[] = [];
  const pool = open(options);
  pool.on('connectError', (error) => errors.push(error));
  const redis = pool.client;
  expect(await redis.set('greeting', 'ahoy')).toBe('OK');
  const replies = await Promise.all(Array.from({ length: 200 }, () => redis.get('greeting')));
  expect(new Set(replies)).toEqual(new Set(['ahoy']));
  expect(await redis.get('nothing')).toBeNull();
  if (has.transactions !== false) {
    expect(await redis.multi().set('greeting', 'hello').get('greeting').exec()).toEqual([
      'OK',
      'hello',
    ]);
  }
  expect(await pool.withLease((own) => own.get('greeting'))).toMatch(/ahoy|hello/);
  const health = await pool.healthCheck();
  expect([health.healthy, health.error]).toEqual([true, undefined]);
  expect(await redis.get('greeting')).toMatch(/ahoy|hello/);
  await pool.close();
  expect(errors).toEqual([]);
}

async function refuses(options: Options, code: string): Promise<void> {
  const pool = open({ ...options, retry: { retries: 0 } });
  const { error } = await outcomeOf(pool.client.get('key'));
  expect((error?.cause as PoolError | undefined)?.code ?? error?.code).toBe(code);
  expect(error?.message).not.toContain(SECRET);
  await pool.close({ timeoutMs: 0 });
}

describe.each(PERSONALITIES)('$name', (personality) => {
  const optionsFor = ({ host, port }: PersonalityServer) => ({ host, port });

  test.each([2, 3] as const)('serves, asked for RESP%d', async (RESP) => {
    await using server = await startPersonality(personality);
    await serves({ ...optionsFor(server), RESP }, personality);
  });

  test.each([2, 3] as const)('lets us in with the password, asked for RESP%d', async (RESP) => {
    await using server = await startPersonality(personality, SECRET);
    for (const user of [{}, { username: 'default' }, { username: 'skipper' }]) {
      await serves({ ...optionsFor(server), RESP, ...user, password: SECRET }, personality);
    }
    expect(server.failedLogins).toBe(0);
  });

  test('serves us with a password that it does not want', async () => {
    await using server = await startPersonality(personality);
    await serves({ ...optionsFor(server), password: SECRET }, personality);
  });

  test.each([2, 3] as const)('refuses a wrong password once, in RESP%d', async (RESP) => {
    await using server = await startPersonality(personality, SECRET);
    const options = { ...optionsFor(server), RESP, breaker: { failures: 1, maxPauseMs: 5_000 } };
    await refuses({ ...options, password: 'wrong' }, 'AUTH_FAILED');
    expect(server.failedLogins).toBe(1);
    await refuses({ ...options, username: 'skipper', password: 'wrong' }, 'AUTH_FAILED');
    expect(server.failedLogins).toBe(2);
  });

  test('wants a password where we have none', async () => {
    await using server = await startPersonality(personality, SECRET);
    for (const RESP of [2, 3] as const) {
      await refuses({ ...optionsFor(server), RESP }, 'AUTH_FAILED');
    }
  });

  test('is dialed once for each connection but the first', async () => {
    await using server = await startPersonality(personality);
    const pool = open({ ...optionsFor(server), maxConnections: 5 });
    await pool.client.get('key');
    const first = server.acceptedConnections;
    expect(first).toBeLessThanOrEqual(4);
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()));
    for (const lease of leases) lease.release();
    const { open: connections } = pool.status().connections;
    expect(server.acceptedConnections).toBe(first + connections - 1);
  });
});

interface RealServer extends Abilities {
  readonly name: string;
  readonly start: Omit<PrivateServerOptions, 'server'>;
  readonly options?: Options;
}

const RENAMED = ['HELLO', 'CLIENT', 'PING', 'SELECT', 'AUTH'];
const acl = (rules: string) => ({
  files: { 'users.acl': `user default off\nuser skipper on >${SECRET} ~* ${rules}\n` },
  args: ['--aclfile', 'users.acl'],
});

const REAL_SERVERS: readonly RealServer[] = [
  { name: 'as it is', start: {} },
  { name: 'with a password', start: { password: SECRET }, options: { password: SECRET } },
  {
    name: 'with a user who may do anything',
    start: acl('+@all'),
    options: { username: 'skipper', password: SECRET },
  },
  {
    name: 'with a user who may only get and set',
    start: acl('-@all +get +set'),
    options: { username: 'skipper', password: SECRET },
    transactions: false,
  },
  {
    name: 'with commands renamed away',
    start: { args: RENAMED.flatMap((command) => ['--rename-command', command, '']) },
  },
];

for (const found of foundServers) {
  describe.each(REAL_SERVERS)(`${found.kind} ${found.version} $name`, (row) => {
    test.each([2, 3] as const)('serves, asked for RESP%d', async (RESP) => {
      await using server = await startPrivateServer({ ...row.start, server: found });
      const { host, port } = server;
      await serves({ host, port, RESP, ...row.options }, row);
    });
  });
}
