import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { resolveAddress } from './address.js';
import { EnvironmentReader } from './environment.js';
import type { PoolOptions } from './options.js';
import { Problems } from './problems.js';

/** The address with secrets in the open and without what is absent. */
function addressOf(options: PoolOptions, env: NodeJS.ProcessEnv = {}) {
  const problems = new Problems();
  const reader = new EnvironmentReader(env, problems);
  const address = resolveAddress(options, reader, problems);
  problems.throwIfAny();
  const { host, port, path, username, database, password, tls } = address;
  const rest = { host, port, path, username, database };
  const parts = { ...rest, password: password?.reveal(), tls: tls?.reveal() };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

function problemsOf(options: PoolOptions, env: NodeJS.ProcessEnv = {}): readonly string[] {
  return problemsIn(() => addressOf(options, env));
}

const local = { host: 'localhost', port: 6379, database: 0 };

describe('resolveAddress', () => {
  it('is localhost:6379 where nothing is given', () => {
    expect(addressOf({})).toEqual(local);
  });

  it('reads every part from the environment', () => {
    const env = {
      REDIS_HOST: 'cache',
      REDIS_PORT: ' 6380 ',
      REDIS_USERNAME: 'app',
      REDIS_PASSWORD: ' pw ',
      REDIS_DB: '3',
      REDIS_TLS: 'true',
    };
    expect(addressOf({}, env)).toEqual({
      host: 'cache',
      port: 6380,
      username: 'app',
      password: ' pw ',
      database: 3,
      tls: {},
    });
  });

  it('takes empty variables for absent', () => {
    const names = ['URL', 'HOST', 'PORT', 'USERNAME', 'PASSWORD', 'PASSWORD_FILE', 'DB', 'TLS'];
    const env = Object.fromEntries(names.map((name) => [`REDIS_${name}`, '']));
    expect(addressOf({}, env)).toEqual(local);
  });

  it('lets single options win over url, and single variables over REDIS_URL', () => {
    const url = 'rediss://a:b@one:1/1';
    const won = { host: 'two', port: 2, username: 'c', password: 'd', database: 2 };
    expect(addressOf({ url, ...won, tls: false })).toEqual(won);
    const env = { REDIS_HOST: 'two', REDIS_PORT: '2', REDIS_USERNAME: 'c', REDIS_PASSWORD: 'd' };
    expect(addressOf({}, { ...env, REDIS_URL: url, REDIS_DB: '2', REDIS_TLS: 'no' })).toEqual(won);
  });

  it('lets the options win over the environment', () => {
    const env = { REDIS_HOST: 'two', REDIS_DB: '2', REDIS_PASSWORD: 'theirs', REDIS_PORT: 'x' };
    const options = { host: 'one', port: 1, database: 1, password: 'mine' };
    expect(addressOf(options, env)).toEqual(options);
  });

  const theirs = {
    REDIS_URL: 'rediss://app:prod@production:1/9',
    REDIS_PORT: '6380',
    REDIS_USERNAME: 'app',
    REDIS_PASSWORD: 'prod',
    REDIS_DB: '9',
    REDIS_TLS: 'on',
  };

  it.each([
    [{ url: 'redis://other' }, { host: 'other' }],
    [{ url: 'redis://' }, {}],
    [{ host: 'other' }, { host: 'other' }],
    [{ path: '/s' }, { path: '/s' }],
  ])('sends nothing of the environment to the server that %o names', (options, address) => {
    for (const host of [undefined, 'production']) {
      const env = host === undefined ? theirs : { ...theirs, REDIS_HOST: host };
      expect(addressOf(options, env)).toEqual({ ...local, ...address });
      const own = { password: 'mine', username: 'me', database: 1 };
      expect(addressOf({ ...options, ...own }, env)).toEqual({ ...local, ...address, ...own });
    }
    const file = { ...theirs, REDIS_PASSWORD: '', REDIS_PASSWORD_FILE: '/none' };
    expect(addressOf(options, file)).toEqual({ ...local, ...address });
  });

  it('takes a port alone for another server on the same machine', () => {
    expect(addressOf({ port: 2 }, theirs)).toEqual({ ...local, port: 2, tls: {} });
    expect(addressOf({ port: 2 }, { ...theirs, REDIS_HOST: 'cache', REDIS_TLS: '' })).toEqual({
      ...local,
      host: 'cache',
      port: 2,
    });
  });

  it('lets an option that names no server change one part of what the environment says', () => {
    const env = { ...theirs, REDIS_HOST: 'cache', REDIS_TLS: 'no' };
    const all = { host: 'cache', port: 6380, username: 'app', password: 'prod', database: 9 };
    expect(addressOf({ database: 1 }, env)).toEqual({ ...all, database: 1 });
    expect(addressOf({ password: 'new' }, env)).toEqual({ ...all, password: 'new' });
    expect(addressOf({ username: 'new' }, env)).toEqual({ ...all, username: 'new' });
  });

  it('takes TLS from rediss://, from the variable, and from options of node:tls', () => {
    expect(addressOf({ url: 'rediss://h' }).tls).toEqual({});
    expect(addressOf({}, { REDIS_TLS: '1' }).tls).toEqual({});
    const tls = { servername: 'cache' };
    expect(addressOf({ tls }, { REDIS_URL: 'redis://h' }).tls).toEqual(tls);
    expect(addressOf({ tls: false }, { REDIS_URL: 'rediss://h' }).tls).toBeUndefined();
  });

  it('takes an IPv6 address with or without brackets', () => {
    for (const host of ['::1', '[::1]']) {
      expect(addressOf({ host }).host).toBe('::1');
      expect(addressOf({}, { REDIS_HOST: host }).host).toBe('::1');
    }
  });

  it('refuses a unix socket together with host, port or tls', () => {
    for (const other of [{ host: 'h' }, { port: 1 }, { tls: true }, { url: 'redis://h' }]) {
      expect(problemsOf({ path: '/s', ...other })).toHaveLength(1);
    }
    expect(problemsOf({ url: 'unix:///s', host: 'h' })).toHaveLength(1);
    expect(problemsOf({}, { REDIS_URL: 'unix:///s', REDIS_HOST: 'h' })).toHaveLength(1);
    expect(problemsOf({ tls: {} }, { REDIS_URL: 'unix:///s' })).toHaveLength(1);
    expect(problemsOf({ path: '/s', tls: false })).toEqual([]);
  });

  it('refuses a user without a password, except default', () => {
    const problem = ['username needs a password (REDIS_PASSWORD)'];
    expect(problemsOf({ username: 'app' })).toEqual(problem);
    expect(problemsOf({}, { REDIS_URL: 'redis://app@h' })).toEqual(problem);
    expect(problemsOf({}, { REDIS_URL: 'redis://app@h', REDIS_PASSWORD: 'pw' })).toEqual([]);
    const named = problemsOf({ url: 'redis://app@h' }, { REDIS_PASSWORD: 'pw' });
    expect(named).toEqual(['username needs a password']);
    expect(problemsOf({ url: 'redis://default@h' })).toEqual([]);
  });

  it('explains the REDIS_PORT that Kubernetes sets', () => {
    expect(problemsOf({}, { REDIS_PORT: 'tcp://10.0.0.7:6379' })[0]).toMatch(/enableServiceLinks/);
  });

  it('refuses an address in REDIS_HOST and says where it belongs', () => {
    const [problem] = problemsOf({}, { REDIS_HOST: 'redis://:hunter2@h' });
    expect(problem).toMatch(/^REDIS_HOST must be a host name .*REDIS_URL/);
    expect(problem).not.toContain('hunter2');
  });
});

describe('REDIS_PASSWORD_FILE', () => {
  const folder = mkdtempSync(join(tmpdir(), 'plimsoll-password-'));
  const file = join(folder, 'password');
  const env = { REDIS_PASSWORD_FILE: file };
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is read at every connect, without the line end', async () => {
    writeFileSync(file, ' first \n');
    const password = addressOf({}, env).password as () => Promise<string>;
    expect(await password()).toBe(' first ');
    writeFileSync(file, 'rotated\r\n');
    expect(await password()).toBe('rotated');
  });

  it('that cannot be read or is empty at a later connect says so with AUTH_FAILED', async () => {
    writeFileSync(file, 'first');
    const password = addressOf({}, env).password as () => Promise<string>;
    writeFileSync(file, '\n');
    const failure = (message: string) => expect.objectContaining({ code: 'AUTH_FAILED', message });
    await expect(password()).rejects.toEqual(
      failure('The file that REDIS_PASSWORD_FILE names is empty by now'),
    );
    rmSync(file);
    await expect(password()).rejects.toEqual(
      failure('The file that REDIS_PASSWORD_FILE names cannot be read any more (ENOENT)'),
    );
    writeFileSync(file, 'back');
    expect(await password()).toBe('back');
  });

  it('is refused where the file is missing or empty', () => {
    const missing = { REDIS_PASSWORD_FILE: join(folder, 'hunter2') };
    expect(problemsOf({}, missing)).toEqual([
      'REDIS_PASSWORD_FILE names a file that cannot be read (ENOENT)',
    ]);
    writeFileSync(file, '\n');
    expect(problemsOf({}, env)).toEqual(['REDIS_PASSWORD_FILE names an empty file']);
  });

  it('is refused beside REDIS_PASSWORD, as nobody could say which counts', () => {
    expect(problemsOf({}, { ...env, REDIS_PASSWORD: 'pw' })).toHaveLength(1);
  });

  it('is not read where an option gives the password', () => {
    expect(addressOf({ password: 'pw' }, { REDIS_PASSWORD_FILE: '/none' }).password).toBe('pw');
  });
});
