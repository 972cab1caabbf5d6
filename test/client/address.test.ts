// What an address means to the pool that is made of it: schemes, parameters, and that nothing which
// the environment says of one server reaches another.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';

import type { Pool, PoolWarning } from '../../src/index.js';
import { outcomeOf } from '../support/outcome.js';
import { startPersonality } from '../support/personality-server.js';
import { usePools } from '../support/pools.js';
import { describeEachPrivateServer } from '../support/servers.js';

const open = usePools();

function warningsOf(pool: Pool): PoolWarning[] {
  const warnings: PoolWarning[] = [];
  pool.on('warning', (warning) => warnings.push(warning));
  return warnings;
}

describeEachPrivateServer('an address', (server) => {
  test('of valkey:// with parameters of other clients serves and warns', async () => {
    const { host, port } = server();
    const query = 'family=4&timeout=5&client_name=parameter&protocol=2&ssl_cert_reqs=hunter2';
    const pool = open({}, { REDIS_URL: `valkey://${host}:${port}/3?${query}` });
    const warnings = warningsOf(pool);
    const own = String(await pool.client.sendCommand(['CLIENT', 'LIST']));
    expect(own).toMatch(/ name=parameter .* db=3 .* resp=2/);
    expect(warnings).toEqual([
      {
        code: 'URL_PARAMETER_IGNORED',
        message: 'REDIS_URL has the parameter timeout, which is not used',
      },
      {
        code: 'URL_PARAMETER_IGNORED',
        message: 'REDIS_URL has the parameter ssl_cert_reqs, which is not used',
      },
    ]);
    expect(pool.options.warnings).toEqual(warnings);
  });

  test('is warned of once, whether somebody listens or not', async () => {
    const url = `${server().url}?timeout=5`;
    const unheard = open({ url });
    const pool = open({ url });
    const warnings = warningsOf(pool);
    for (const each of [unheard, pool]) expect(await each.client.get('key')).toBeNull();
    await sleep(20);
    expect(warnings).toHaveLength(1);
  });

  test('of a family that the server does not listen on is refused', async () => {
    // A private server listens on 127.0.0.1 alone.
    const { port } = server();
    expect(await open({ host: 'localhost', port, family: 4 }).client.get('key')).toBeNull();
    expect(await open({ host: 'localhost', port }).client.get('key')).toBeNull();
    const { error } = await outcomeOf(open({ host: '::1', port, family: 6 }).client.get('key'));
    expect(error?.cause ?? error).toMatchObject({ code: 'CONNECT_FAILED' });
  });
});

test('in the options gets no word of the credentials in the environment', async () => {
  await using server = await startPersonality({ name: 'stranger' });
  const { host, port } = server;
  const env = { REDIS_USERNAME: 'app', REDIS_PASSWORD: 'hunter2', REDIS_DB: '9', REDIS_TLS: 'on' };
  for (const options of [{ url: `redis://${host}:${port}` }, { host, port }]) {
    expect(await open(options, env).client.get('key')).toBeNull();
  }
  // The machine is that of the environment here, the server is not.
  const machine = { ...env, REDIS_HOST: host, REDIS_TLS: '' };
  expect(await open({ port }, machine).client.get('key')).toBeNull();
  expect(server.received).not.toMatch(/hunter2|app|AUTH|SELECT/);
});
