// Guessing passwords is slow, from one address and from many, and whoever guesses locks nobody out:
// neither an account's owner nor those who share an address or a proxy with him.

import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { MAX_WAIT_MS } from '../src/attempts.js';
import { Passwords } from '../src/passwords.js';
import { expectProblem } from './support/expectations.js';
import {
  CHEAP,
  countOf,
  newName,
  openService,
  PASSWORD,
  register,
  type TestOptions,
  type TestService,
  verify,
} from './support/service.js';

const WRONG = 'a wild guess';
/** With a limit of 1 an account is under attack after so many failures. */
const ATTACK = 5;

/** A service behind a proxy that no other one has. */
interface ProxiedService extends TestService {
  readonly proxy: string;
}

describe('attempts', () => {
  const server = useServer();
  const services: TestService[] = [];
  /** Without limits, so that accounts can be made. */
  let unlimited: TestService;
  let networks = 0;
  beforeAll(async () => {
    unlimited = await openService(server().url);
    services.push(unlimited);
  });
  afterAll(async () => {
    for (const service of services) await service.close();
  });

  const open = async (config: TestOptions['config'], options: TestOptions = {}) => {
    const service = await openService(server().url, {
      config: { trustProxy: ['loopback'], ...config },
      ...options,
    });
    services.push(service);
    return { ...service, proxy: newAddress().replace('10.', '127.') };
  };
  /** An address that no other test has. */
  const newAddress = () => {
    networks++;
    return `10.0.${networks >> 8}.${networks & 255}`;
  };
  const tryFrom = (
    { app, proxy }: ProxiedService,
    address: string,
    username: string,
    password = WRONG,
    device?: string,
  ): Promise<LightMyRequestResponse> =>
    app.inject({
      method: 'POST',
      url: '/auth/login',
      payload: { username, password, ...(device === undefined ? {} : { device_token: device }) },
      headers: { 'x-forwarded-for': address },
      remoteAddress: proxy,
    });
  /** Failures from ever other addresses, each of which is looked at. */
  const attack = async (service: ProxiedService, username: string, failures: number) => {
    for (let count = 0; count < failures; count++) {
      expectProblem(await tryFrom(service, newAddress(), username), 'INVALID_CREDENTIALS');
    }
  };
  const waitOf = (answer: LightMyRequestResponse) => {
    expectProblem(answer, 'TOO_MANY_ATTEMPTS');
    return Number(answer.headers['retry-after']);
  };

  test('wrong passwords shut out the address that sent them, from that account alone', async () => {
    const service = await open({ accountLimit: 10, addressLimit: 100 });
    const [owner, neighbour] = [await register(unlimited), await register(unlimited)];
    const guesser = newAddress();
    for (let count = 0; count < 10; count++) {
      expectProblem(await tryFrom(service, guesser, owner), 'INVALID_CREDENTIALS');
    }
    expect(waitOf(await tryFrom(service, guesser, owner))).toBeLessThanOrEqual(6);
    expect((await tryFrom(service, newAddress(), owner, PASSWORD)).statusCode).toBe(200);
    expect((await tryFrom(service, guesser, neighbour, PASSWORD)).statusCode).toBe(200);
  });

  test('right passwords do not count, however many come from one address', async () => {
    const service = await open({ accountLimit: 2, addressLimit: 2 });
    const [address, username] = [newAddress(), await register(unlimited)];
    for (let count = 0; count < 20; count++) {
      expect((await tryFrom(service, address, username, PASSWORD)).statusCode).toBe(200);
    }
    // They give no more guesses either: failures stay counted beside them.
    for (let count = 0; count < 2; count++) {
      expectProblem(await tryFrom(service, address, username), 'INVALID_CREDENTIALS');
    }
    expect(waitOf(await tryFrom(service, address, username, PASSWORD))).toBeGreaterThan(0);
  });

  test('guesses that come all at once are counted one by one', async () => {
    const service = await open({ accountLimit: 3 });
    const [address, username] = [newAddress(), await register(unlimited)];
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => tryFrom(service, address, username)),
    );
    expect(answers.filter(({ statusCode }) => statusCode === 401)).toHaveLength(3);
    expect(answers.filter(({ statusCode }) => statusCode === 429)).toHaveLength(47);
  });

  test('names that nobody has are limited like those that somebody has', async () => {
    const service = await open({ accountLimit: 2 });
    for (const username of [newName(), await register(unlimited)]) {
      const address = newAddress();
      const answers: unknown[] = [];
      for (let count = 0; count < 3; count++) {
        const answer = await tryFrom(service, address, username);
        answers.push([answer.statusCode, answer.json().code]);
      }
      expect(answers).toEqual([
        [401, 'INVALID_CREDENTIALS'],
        [401, 'INVALID_CREDENTIALS'],
        [429, 'TOO_MANY_ATTEMPTS'],
      ]);
    }
  });

  test.each([
    ['a /64', (index: number) => `2001:db8:0:1::${index.toString(16)}`],
    ['ports that a proxy adds', (index: number) => `192.0.2.7:${1_000 + index}`],
    ['an IPv4 address in two forms', (index: number) => `${['', '::ffff:'][index % 2]}192.0.2.8`],
    // The nearest proxy adds what it saw at the end; what stands before is the client's own word.
    ['words of the client', (index: number) => `10.9.9.${index}, 192.0.2.9`],
    ['no address at all', (index: number) => `unknown-${index}`],
  ])('addresses that differ in %s count as one', async (_name, addressOf) => {
    const service = await open({ addressLimit: 5 });
    const statuses: number[] = [];
    for (let index = 0; index < 10; index++) {
      statuses.push((await tryFrom(service, addressOf(index), newName())).statusCode);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429, 429, 429]);
    expect((await tryFrom(service, newAddress(), newName())).statusCode).toBe(401);
  });

  test.each([
    ['a hop', 1],
    ['a network', ['127.0.0.0/8']],
  ])('a proxy that is trusted as %s tells its clients apart', async (_name, trustProxy) => {
    const service = await open({ addressLimit: 1, trustProxy });
    for (let count = 0; count < 5; count++) {
      expect((await tryFrom(service, newAddress(), newName())).statusCode).toBe(401);
    }
  });

  test.each([
    ['hops', 1],
    ['networks', ['127.0.0.0/8']],
  ])('who goes around a proxy that is told by %s is himself', async (_name, trustProxy) => {
    const service = await open({ addressLimit: 2, trustProxy });
    const direct = { ...service, proxy: `203.0.113.${typeof trustProxy === 'number' ? 1 : 2}` };
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++) {
      statuses.push((await tryFrom(direct, newAddress(), newName())).statusCode);
    }
    expect(statuses).toEqual([401, 401, 429, 429]);
  });

  test('a proxy that is not trusted is one client, and the log says what to do', async () => {
    const service = await open({ addressLimit: 2, trustProxy: false });
    for (let count = 0; count < 3; count++) await tryFrom(service, newAddress(), newName());
    expect(waitOf(await tryFrom(service, newAddress(), newName()))).toBeGreaterThan(0);
    expect(service.logged.filter((line) => line.includes('AUTH_TRUST_PROXY'))).toHaveLength(1);
  });

  test('an account under attack gets slower for each address, and closed for none', async () => {
    const service = await open({ accountLimit: 1 });
    const username = await register(unlimited);
    await attack(service, username, ATTACK);
    expect(await countOf(service, 'account_attacked')).toBe(0);
    const waits: number[] = [];
    for (const failures of [1, 20, 20, 80]) {
      await attack(service, username, failures - 1);
      const address = newAddress();
      expectProblem(await tryFrom(service, address, username), 'INVALID_CREDENTIALS');
      waits.push(waitOf(await tryFrom(service, address, username, PASSWORD)));
      // Who has not failed is let in at once, and may come again.
      const elsewhere = newAddress();
      for (let count = 0; count < 2; count++) {
        expect((await tryFrom(service, elsewhere, username, PASSWORD)).statusCode).toBe(200);
      }
    }
    expect(waits).toEqual([...waits].sort((one, other) => one - other));
    expect(waits.at(-1)).toBeGreaterThan(MAX_WAIT_MS / 1000 - 60);
    expect(waits.at(-1)).toBeLessThanOrEqual(MAX_WAIT_MS / 1000);
    expect(await countOf(service, 'account_attacked')).toBe(1);
  });

  test('under attack a /48 is one place, as a customer may have one', async () => {
    const service = await open({ accountLimit: 1 });
    const username = await register(unlimited);
    await attack(service, username, ATTACK + 30);
    const from = (subnet: number) => tryFrom(service, `2001:db8:7:${subnet}::1`, username);
    expectProblem(await from(1), 'INVALID_CREDENTIALS');
    expect(waitOf(await from(2))).toBeGreaterThan(1);
  });

  test('a device that the account knows is held up by nobody else', async () => {
    const service = await open({ accountLimit: 1, addressLimit: 1 });
    const username = await register(unlimited);
    const address = newAddress();
    const { device_token } = (await tryFrom(service, newAddress(), username, PASSWORD)).json();
    // The guesser shares the address, and there is an attack from everywhere beside.
    await attack(service, username, ATTACK + 30);
    expectProblem(await tryFrom(service, address, username), 'INVALID_CREDENTIALS');
    expect(waitOf(await tryFrom(service, address, username, PASSWORD))).toBeGreaterThan(0);
    const known = () => tryFrom(service, address, username, PASSWORD, device_token);
    for (let count = 0; count < 3; count++) expect((await known()).statusCode).toBe(200);

    // It has failures of its own, which are limited like any, by whatever token names it.
    const { device_token: renewed } = (await known()).json();
    expectProblem(await tryFrom(service, address, username, WRONG, renewed), 'INVALID_CREDENTIALS');
    expect(waitOf(await known())).toBeGreaterThan(0);
  });

  test('a device token serves its account alone, and as nothing else', async () => {
    const service = await open({ accountLimit: 1 });
    const [mine, yours] = [await register(unlimited), await register(unlimited)];
    const login = await tryFrom(service, newAddress(), mine, PASSWORD);
    const { device_token, access_token } = login.json();
    expectProblem(await verify(service, device_token), 'INVALID_TOKEN');
    const address = newAddress();
    expectProblem(await tryFrom(service, address, yours), 'INVALID_CREDENTIALS');
    // None of these is an error: who has an old token is a client like any other.
    for (const token of [device_token, access_token, 'nonsense', '']) {
      const answer = await tryFrom(service, address, yours, PASSWORD, token);
      expect(waitOf(answer)).toBeGreaterThan(0);
    }
  });

  test('what could not be looked at does not count', async () => {
    const passwords = new Passwords({ hashConcurrency: 1, hashQueue: 0, parameters: CHEAP });
    const service = await open({ accountLimit: 30 }, { passwords });
    const [address, username] = [newAddress(), await register(unlimited)];
    const before = new Set(await keysOf(service));
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => tryFrom(service, address, username, PASSWORD)),
    );
    expect(answers.filter(({ statusCode }) => statusCode === 503).length).toBeGreaterThan(0);
    expect((await keysOf(service)).filter((key) => !before.has(key))).toEqual([]);
  });

  test('a flood of right passwords from one place leaves others their turn', async () => {
    const passwords = new Passwords({ hashConcurrency: 1, hashQueue: 8 });
    const service = await open({}, { passwords });
    const [flooding, other] = [newAddress(), newAddress()];
    const [busy, quiet] = [await register(unlimited), await register(unlimited)];
    let isOver = false;
    let refused = 0;
    const flood = Array.from({ length: 30 }, async () => {
      while (!isOver) {
        const { statusCode } = await tryFrom(service, flooding, busy, PASSWORD);
        if (statusCode === 503) refused++;
      }
    });
    try {
      await expect.poll(() => refused, { timeout: 15_000 }).toBeGreaterThan(30);
      for (let count = 0; count < 5; count++) {
        expect((await tryFrom(service, other, quiet, PASSWORD)).statusCode).toBe(200);
      }
    } finally {
      isOver = true;
      await Promise.all(flood);
    }
  });

  test('a clock of Redis that is set back shuts nobody out for longer than ever', async () => {
    const service = await open({ accountLimit: 1, addressLimit: 1 });
    const { client } = service.pool;
    const [address, username] = [newAddress(), newName()];
    const before = new Set(await keysOf(service));
    expect((await tryFrom(service, address, username)).statusCode).toBe(401);
    const keys = (await keysOf(service)).filter((key) => !before.has(key));
    expect(keys).toHaveLength(3);
    for (const key of keys) await client.pExpire(key, 30 * 86_400_000);
    const cut = async () => {
      const lives = await Promise.all(keys.map((key) => client.pTTL(key)));
      return keys.filter((_, index) => lives[index]! > 0 && lives[index]! <= 60_000);
    };
    // Each limit is cut when it is asked, the network's first.
    expect(waitOf(await tryFrom(service, address, username))).toBeLessThanOrEqual(60);
    const first = await cut();
    expect(first).toHaveLength(1);
    await client.del(first);
    expect(waitOf(await tryFrom(service, address, username))).toBeLessThanOrEqual(60);
    const second = await cut();
    expect(second).toHaveLength(1);
    expect(second).not.toEqual(first);
  });

  test('the networks of a site register four times as much as one of them', async () => {
    const service = await open({ addressLimit: 2 });
    const statuses: number[] = [];
    for (let subnet = 0; subnet < 10; subnet++) {
      const answer = await service.app.inject({
        method: 'POST',
        url: '/auth/register',
        payload: { username: newName(), password: PASSWORD },
        headers: { 'x-forwarded-for': `2001:db8:9:${subnet}::1` },
      });
      statuses.push(answer.statusCode);
    }
    expect(statuses).toEqual([...new Array(8).fill(201), 429, 429]);
  });

  test('what an attacker leaves in Redis is small, counted and soon gone', async () => {
    const service = await open({ accountLimit: 10, addressLimit: 5 });
    const flooding = newAddress();
    const before = new Set(await keysOf(service));
    for (let count = 0; count < 100; count++)
      await tryFrom(service, flooding, 'ﬃ'.repeat(20) + count);
    const left = (await keysOf(service)).filter((key) => !before.has(key));
    // Two for each name that was looked at, and one for the address: those refused left nothing.
    expect(left.length).toBeLessThanOrEqual(2 * 6 + 1);
    for (const key of left) {
      expect(key).toMatch(/^auth:\{[\w-]{4}\}:attempts:[\w-]{22}$/);
      expect(await service.pool.client.pTTL(key)).toBeLessThanOrEqual(60_000);
    }
  });

  const keysOf = ({ pool }: TestService) => pool.client.keys('auth:{*}:attempts:*');
});
