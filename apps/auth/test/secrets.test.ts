// What must not be learnt: from logs and errors, any password or token; from the time that a
// login takes, which names exist.

import { describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { OWASP, Passwords } from '../src/passwords.js';
import { readKeys } from '../src/tokens/key-file.js';
import {
  bearer,
  CHEAP,
  getAs,
  login,
  newName,
  openService,
  post,
  postAs,
  register,
  type TokenAnswer,
  useService,
} from './support/service.js';

/** Measured logins of each kind. */
const TIMED_LOGINS = 25;
/** Without a hash for unknown users they are 5 to 20 times as fast as wrong passwords. */
const TIMING_FACTOR = 1.5;

describe('secrets', () => {
  const server = useServer();
  const service = useService(server, { config: { logLevel: 'trace', refreshGraceSeconds: 0 } });

  test('no log line and no error shows a password or a token, at any level', async () => {
    const username = newName();
    const password = 'pass-SECRET-word';
    const answers: string[] = [];
    const keep = async (answer: Promise<{ body: string }>) => answers.push((await answer).body);
    await keep(post(service, '/auth/register', { username, password }));
    const body = (await post(service, '/auth/login', { username, password })).json<TokenAnswer>();
    const wrong = 'wrong-SECRET-guess';
    await keep(post(service, '/auth/login', { username, password: wrong }));
    await keep(
      post(service, '/auth/login', `{"password":"${password}"`, {
        'content-type': 'application/json',
      }),
    );
    await keep(post(service, '/auth/login', { username: 1, password, more: password }));
    await keep(
      getAs(service, `/auth/verify?access_token=${body.access_token}`, 'bad.SECRET.token'),
    );
    await keep(getAs(service, `/auth/sessions?token=${body.refresh_token}`, body.access_token));
    await keep(service.app.inject(`/nowhere/?refresh_token=${body.refresh_token}`));
    await keep(
      post(service, '/auth/introspect', { token: 'x.SECRET.y' }, bearer(body.access_token)),
    );
    const { refresh_token } = body;
    const refreshed = async (shown: string) =>
      (await post(service, '/auth/refresh', { refresh_token: shown })).json<TokenAnswer>();
    const next = await refreshed(refresh_token);
    await keep(post(service, '/auth/refresh', { refresh_token }));
    await keep(post(service, '/auth/refresh', { refresh_token: `${refresh_token}SECRET` }));
    const change = { current_password: 'no-SECRET-either', new_password: `new ${password}` };
    await keep(post(service, '/auth/password', change, bearer(next.access_token)));
    await keep(post(service, '/auth/revoke', { token: `${refresh_token}SECRET` }));
    await keep(postAs(service, '/auth/logout', next.access_token));
    await keep(post(service, '/auth/logout', { refresh_token }));
    // With Redis gone as well: errors like to quote the command that failed.
    await server().kill();
    await keep(post(service, '/auth/login', { username, password }));
    await keep(getAs(service, '/auth/verify', body.access_token));
    await keep(post(service, '/auth/refresh', { refresh_token: next.refresh_token }));
    await server().restart();
    await expect.poll(async () => (await service.app.inject('/health/ready')).statusCode).toBe(200);

    expect(service.logged.length).toBeGreaterThan(10);
    const all = [...service.logged, ...answers].join('\n');
    const privateParts = readKeys(service.keysFile).map(({ d }) => d as string);
    const tokens = [body, next].flatMap((pair) => [pair.access_token, pair.refresh_token]);
    for (const secret of [password, wrong, 'SECRET', ...tokens, ...privateParts]) {
      expect(all).not.toContain(secret);
    }
  });

  test('an error of our own is logged with its stack, and answered without', async () => {
    const broken = await openService(server().url, {
      hooks: { metrics: () => Promise.reject(new Error('the cause of it')) },
    });
    const answer = await broken.app.inject('/metrics');
    expect([answer.statusCode, answer.json().code]).toEqual([500, 'INTERNAL']);
    expect(answer.body).not.toContain('the cause of it');
    expect(broken.logged.join('')).toContain('the cause of it');
    expect(broken.logged.join('')).toContain('secrets.test');
    await broken.close();
  });

  test('an unknown user takes as long as a wrong password', async () => {
    const costly = await openService(server().url, {
      passwords: new Passwords({
        hashConcurrency: 1,
        hashQueue: 10,
        parameters: { ...CHEAP, memoryCost: 4_096, timeCost: 2 },
      }),
    });
    const username = await register(costly);
    const timed = async (name: string) => {
      const started = performance.now();
      await post(costly, '/auth/login', { username: name, password: 'a wrong password' });
      return performance.now() - started;
    };
    await timed(username);
    await timed(newName());
    const [wrong, unknown]: [number[], number[]] = [[], []];
    for (let count = 0; count < TIMED_LOGINS; count++) {
      // In turn, so that a busy machine hits both alike.
      wrong.push(await timed(username));
      unknown.push(await timed(newName()));
    }
    const ratio = typical(unknown) / typical(wrong);
    expect(ratio).toBeLessThan(TIMING_FACTOR);
    expect(ratio).toBeGreaterThan(1 / TIMING_FACTOR);
    await costly.close();
  });

  test('passwords are stored as OWASP asks, each with its own salt', async () => {
    const passwords = new Passwords({ hashConcurrency: 1, hashQueue: 10 });
    const [first, second] = [await passwords.hash('the same'), await passwords.hash('the same')];
    expect(OWASP).toEqual({ algorithm: 2, memoryCost: 12_288, timeCost: 3, parallelism: 1 });
    expect(first).toMatch(/^\$argon2id\$v=19\$m=12288,t=3,p=1\$/);
    expect(first).not.toBe(second);
    expect(await passwords.matches(first, 'the same')).toBe(true);
    expect(await passwords.matches(first, 'another')).toBe(false);
    expect(await passwords.matches(undefined, 'the same')).toBe(false);
  });

  test('sessions of users who share a password share nothing else', async () => {
    const [ann, ben] = [await login(service), await login(service)];
    const idOf = async (token: string) => (await getAs(service, '/auth/verify', token)).json().sub;
    expect(await idOf(ann.access_token)).not.toBe(await idOf(ben.access_token));
  });
});

/** The lower quartile: what a login takes when nothing else runs, on a machine that is shared. */
function typical(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 4)]!;
}
