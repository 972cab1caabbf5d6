// Metrics and the pool's health are for operators: on a port of their own, behind a token, or where
// nobody but this host can ask.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../scripts/free-port.js';
import { useServer } from '../../../test/support/servers.js';
import { ConfigError, resolveConfig } from '../src/config.js';
import { expectProblem } from './support/expectations.js';
import { endServices, startService } from './support/primary.js';
import { bearer, countOf, openService } from './support/service.js';

const TOKEN = 'an operator token of some length';
const GOOD_TOKEN = TOKEN.replaceAll(' ', '-');

describe('where operators ask', () => {
  const server = useServer();
  afterAll(endServices);

  test('with a port of their own the public one has nothing for them', async () => {
    const operatorPort = await freePort();
    const { url } = await startService(server().url, { AUTH_OPERATOR_PORT: String(operatorPort) });
    const statusOf = async (address: string) => (await fetch(address)).status;
    for (const route of ['/metrics', '/health/redis']) {
      expect(await statusOf(`${url}${route}`)).toBe(404);
      expect(await statusOf(`http://127.0.0.1:${operatorPort}${route}`)).toBe(200);
    }
    for (const probe of ['/health/live', '/health/ready']) {
      expect(await statusOf(`${url}${probe}`)).toBe(200);
      expect(await statusOf(`http://127.0.0.1:${operatorPort}${probe}`)).toBe(200);
    }
    expect(await statusOf(`http://127.0.0.1:${operatorPort}/auth/verify`)).toBe(404);
    const page = await (await fetch(`http://127.0.0.1:${operatorPort}/metrics`)).text();
    expect(page).toMatch(/^auth_workers 2$/m);
  }, 40_000);

  test('with a token they get nothing without it, and a wrong one is told', async () => {
    const { operatorTokenHash } = resolveConfig({ AUTH_OPERATOR_TOKEN: GOOD_TOKEN });
    const service = await openService(server().url, { config: { operatorTokenHash } });
    for (const url of ['/metrics', '/health/redis']) {
      const ask = (headers: Record<string, string>) => service.app.inject({ url, headers });
      expectProblem(await ask({}), 'TOKEN_REQUIRED');
      for (const wrong of [`${GOOD_TOKEN}x`, GOOD_TOKEN.slice(1), '']) {
        expectProblem(await ask(bearer(wrong)), 'INVALID_TOKEN');
      }
      expect((await ask(bearer(GOOD_TOKEN))).statusCode).toBe(200);
    }
    expect(await countOf(service, 'operator_refused')).toBe(6);
    expect(service.logged.join('')).not.toContain(GOOD_TOKEN.slice(1));
    expect((await service.app.inject('/health/ready')).statusCode).toBe(200);
    await service.close();
  });
});

describe('the configuration', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'operators-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const keys = path.join(folder, 'keys.json');
  writeFileSync(keys, '');
  const PRODUCTION = { DEPLOYMENT_ENV: 'production', AUTH_KEYS_FILE: keys };

  test.each<[string, NodeJS.ProcessEnv, string, number | undefined]>([
    ['for a developer', {}, '127.0.0.1', undefined],
    ['in production', PRODUCTION, '127.0.0.1', 8001],
    ['behind a proxy on this host', { ...PRODUCTION, HOST: '127.0.0.1' }, '127.0.0.1', 8001],
    ['with an address for all', { HOST: '0.0.0.0' }, '127.0.0.1', 8001],
    ['by choice', { AUTH_OPERATOR_PORT: '9000', AUTH_OPERATOR_HOST: '::1' }, '::1', 9000],
    ['by choice where all is', { AUTH_OPERATOR_PORT: '8000' }, '127.0.0.1', undefined],
    ['on any free port', { PORT: '0' }, '127.0.0.1', undefined],
    ['on another free port', { PORT: '0', HOST: '::', AUTH_OPERATOR_PORT: '0' }, '127.0.0.1', 0],
  ])('%s: %j', (_name, env, operatorHost, operatorPort) => {
    expect(resolveConfig(env)).toMatchObject({ operatorHost, operatorPort });
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ['others reach the public port', { HOST: '0.0.0.0', AUTH_OPERATOR_PORT: '8000' }],
    ['others reach the operators’', { AUTH_OPERATOR_PORT: '1', AUTH_OPERATOR_HOST: '0.0.0.0' }],
    ['PORT is the default', { ...PRODUCTION, PORT: '8001' }],
  ])('metrics without a token are refused where %s', (_name, env) => {
    expect(() => resolveConfig(env)).toThrow(/AUTH_OPERATOR_TOKEN_FILE/);
    expect(() => resolveConfig({ ...env, AUTH_OPERATOR_TOKEN: GOOD_TOKEN })).not.toThrow();
  });

  test('a token comes from one place, is long enough, and is shown nowhere', () => {
    const file = path.join(folder, 'token');
    writeFileSync(file, `${GOOD_TOKEN}\n`);
    const config = resolveConfig({ AUTH_OPERATOR_TOKEN_FILE: file });
    expect(config).toMatchObject(resolveConfig({ AUTH_OPERATOR_TOKEN: GOOD_TOKEN }));
    expect(JSON.stringify(config)).not.toContain(GOOD_TOKEN);
    for (const env of [
      { AUTH_OPERATOR_TOKEN: 'short' },
      { AUTH_OPERATOR_TOKEN: TOKEN },
      { AUTH_OPERATOR_TOKEN: GOOD_TOKEN, AUTH_OPERATOR_TOKEN_FILE: file },
      { AUTH_OPERATOR_TOKEN_FILE: path.join(folder, 'nowhere') },
    ]) {
      expect(() => resolveConfig(env)).toThrow(ConfigError);
      expect(() => resolveConfig(env)).not.toThrow(new RegExp(`${GOOD_TOKEN}|${TOKEN}|short`));
    }
  });
});
