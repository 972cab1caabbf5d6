// The clients that Plimsoll is compared with connect as it does: what it secures, they secure too.

import { createPool, type Pool, resolveOptions } from 'plimsoll';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PrivateServer, startPrivateServer } from '../../../scripts/redis-server.js';
import { type Certificates, makeCertificates } from '../../../test/support/certificates.js';
import { peerCommands } from '../src/store/drivers.js';

const PASSWORD = 'a/b:c@d %';

describe.each(['redis-pool', 'redis', 'ioredis'] as const)('the driver %s', (driver) => {
  let certificates: Certificates;
  let server: PrivateServer;
  beforeAll(async () => {
    certificates = await makeCertificates();
    const { caFile, server: pair } = certificates;
    server = await startPrivateServer({ password: PASSWORD, tls: { caFile, ...pair } });
  });
  afterAll(async () => {
    await server?.stop();
    certificates?.remove();
  });

  /** The kinds of connection that the server sees: `plain`, or `tls` for its TLS port. */
  async function connectionsOfOthers(): Promise<string[]> {
    const address = { host: '127.0.0.1', port: portOf(server.url), password: PASSWORD };
    await using watcher = createPool(address, {}) as Pool;
    const list = await watcher.client.sendCommand(['CLIENT', 'LIST']);
    return String(list)
      .split('\n')
      .filter((line) => line !== '' && !line.includes('name=plimsoll'))
      .map((line) => (line.includes(`laddr=127.0.0.1:${server.tlsPort}`) ? 'tls' : 'plain'));
  }

  test('uses TLS, password and database of the pool', async () => {
    const { ca } = certificates;
    const options = { host: '127.0.0.1', port: server.tlsPort!, tls: { ca }, database: 3 };
    const { target } = resolveOptions({ ...options, password: async () => PASSWORD }, {});
    const commands = await peerCommands(driver, target);
    await commands.setIfAbsent('key', driver, 0);
    expect(await commands.get('key')).toBe(driver);
    const kinds = await connectionsOfOthers();
    expect(kinds.length).toBeGreaterThan(0);
    expect(new Set(kinds)).toEqual(new Set(['tls']));
    await commands.close();
  });

  test('never falls back to plain text where TLS is asked for by variables', async () => {
    const port = String(portOf(server.url));
    const env = { REDIS_HOST: '127.0.0.1', REDIS_PORT: port, REDIS_TLS: 'true' };
    const { target } = resolveOptions({ password: PASSWORD }, env);
    const seen = await Promise.race([
      peerCommands(driver, target).then(
        (commands) => commands.get('key'),
        () => 'refused',
      ),
      // Some try for ever: what matters is that none is let in.
      new Promise((resolve) => setTimeout(resolve, 1_500, 'refused')),
    ]);
    expect(seen).toBe('refused');
  });
});

function portOf(url: string): number {
  return Number(new URL(url).port);
}
