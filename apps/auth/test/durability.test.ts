// What was revoked stays revoked, or the operator knows: servers that are killed with each kind of
// persistence, what the service says of them at its start, and confirmation by replicas and disk.

import { createClient } from '@redis/client';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PrivateServer } from '../../../scripts/redis-server.js';
import { startPrivateServer } from '../../../scripts/redis-server.js';
import { describeEachPrivateServer, foundServers } from '../../../test/support/servers.js';
import { openLog } from '../src/log.js';
import { SecurityEvents } from '../src/security-events.js';
import { Confirmation } from '../src/store/confirmation.js';
import { watchDurability } from '../src/store/durability.js';
import { homeOf, sessionPrefix } from '../src/store/keys.js';
import { Shards } from '../src/store/shards.js';
import { expectProblem } from './support/expectations.js';
import { login, openService, post, postAs, type TestService, verify } from './support/service.js';

const EVERYSEC = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
const SNAPSHOTS = ['--save', '3600 1'];
/** WAITAOF came with Redis 7.2, which is the version that Valkey says it is compatible with. */
const canWaitForDisk = (version: string) => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 7 || (major === 7 && minor >= 2);
};

/** What the service tells of its server, and its gauge. */
async function judgementOf({ pool }: TestService, options: object = {}) {
  const lines: string[] = [];
  const registry = new Registry();
  const log = openLog('info', { write: (line) => void lines.push(line) });
  const events = new SecurityEvents({ log, registry });
  const shards = new Shards(pool);
  const confirmation = new Confirmation(shards, {
    revocationReplicas: 0,
    revocationFsync: false,
    revocationTimeoutMs: 100,
    ...options,
  });
  const end = watchDurability({ shards, confirmation, events, registry });
  await vi.waitFor(() => expect(lines).toHaveLength(1), { timeout: 5_000 });
  end();
  const gauge = /^auth_revocation_loss_seconds\{persistence="([^"]+)"\} (\S+)$/m;
  const [, persistence, seconds] = gauge.exec(await registry.metrics()) ?? [];
  const { event, reason } = JSON.parse(lines[0]!) as { event: string; reason: string };
  return { event, reason, persistence, seconds: Number(seconds) };
}

describe.each([
  ['snapshots alone', SNAPSHOTS, 200, ['revocations_at_risk', 'rdb', 3600]],
  ['an append-only file', EVERYSEC, 401, ['revocations_kept', 'aof-everysec', 2]],
  ['no persistence', [], 401, ['revocations_at_risk', 'none', -1]],
] as const)('a server with %s', (_name, args, status, expected) => {
  describeEachPrivateServer(
    'that is killed after a logout',
    (server) => {
      test(`answers the old token with ${status}, and the service has said so`, async () => {
        const service = await openService(server().url);
        const { event, persistence, seconds } = await judgementOf(service);
        expect([event, persistence, seconds]).toEqual(expected);
        const tokens = await login(service);
        const observer = await createClient({ url: server().url }).connect();
        if (args === SNAPSHOTS) await observer.sendCommand(['SAVE']);
        observer.destroy();
        expect((await postAs(service, '/auth/logout-all', tokens.access_token)).statusCode).toBe(
          204,
        );
        await server().kill();
        await server().restart();
        const statusOf = async () => (await verify(service, tokens.access_token)).statusCode;
        await expect.poll(statusOf, { timeout: 10_000 }).toBe(status);
        await service.close();
      });
    },
    { args },
  );
});

describeEachPrivateServer(
  'a server that answers neither INFO nor CONFIG',
  (server) => {
    test('is said to be unknown', async () => {
      const url = server().url.replace('redis://', 'redis://narrow:secret@');
      const service = await openService(url);
      const { event, reason, persistence, seconds } = await judgementOf(service);
      expect([event, persistence, seconds]).toEqual(['revocations_at_risk', 'unknown', -1]);
      expect(reason).toContain('INFO is forbidden');
      await service.close();
    });
  },
  {
    files: {
      'users.acl':
        'user default on nopass ~* &* +@all\nuser narrow on >secret ~* &* +@all -info -config\n',
    },
    args: ['--aclfile', 'users.acl', ...EVERYSEC],
  },
);

describe.each(foundServers)('confirmation by replicas ($kind $version)', (found) => {
  let primary: PrivateServer;
  let replica: PrivateServer;
  let service: TestService;
  beforeAll(async () => {
    primary = await startPrivateServer({
      server: found,
      args: ['--repl-diskless-sync-delay', '0'],
    });
    const args = ['--replicaof', primary.host, String(primary.port)];
    replica = await startPrivateServer({ server: found, args });
    const config = { revocationReplicas: 1, revocationTimeoutMs: 400 };
    service = await openService(primary.url, { config });
    const isLinked = async () =>
      expect((await judgementOf(service, config)).reason).toContain('are confirmed by 1 replicas');
    await vi.waitFor(isLinked, { timeout: 20_000 });
  });
  afterAll(async () => {
    await service?.close();
    await replica?.stop();
    await primary?.stop();
  });

  test('a logout is answered once a replica has it', async () => {
    const tokens = await login(service);
    const { sid, username } = (await verify(service, tokens.access_token)).json();
    expect((await postAs(service, '/auth/logout', tokens.access_token)).statusCode).toBe(204);
    const observer = await createClient({ url: replica.url }).connect();
    expect(await observer.exists(sessionPrefix(homeOf(username)) + sid)).toBe(0);
    observer.destroy();
  });

  test('one that no replica has in time is told so, and may be asked again', async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => login(service)));
    replica.pause();
    const asked = performance.now();
    const logOut = () =>
      Promise.all(
        sessions.map(({ access_token }, index) =>
          index % 2 === 0
            ? postAs(service, '/auth/logout', access_token)
            : post(service, '/auth/revoke', { token: access_token }),
        ),
      );
    for (const answer of await logOut()) expectProblem(answer, 'REVOCATION_UNCONFIRMED');
    // All of them share a wait or two, and a connection.
    expect(performance.now() - asked).toBeLessThan(5_000);
    expect((await verify(service, sessions[0]!.access_token)).statusCode).toBe(401);
    replica.resume();
    const statuses = async () => new Set((await logOut()).map(({ statusCode }) => statusCode));
    await expect.poll(statuses, { timeout: 10_000 }).toEqual(new Set([204, 200]));
  });

  test('without a replica the start says what is wrong', async () => {
    const { event, reason } = await judgementOf(service, { revocationReplicas: 2 });
    expect(event).toBe('revocations_at_risk');
    expect(reason).toContain('1 of 2 replicas within 100 ms');
  });
});

describeEachPrivateServer(
  'confirmation by disk',
  (server) => {
    test('is given by servers that know WAITAOF, and missed by others', async () => {
      const config = { revocationFsync: true, revocationTimeoutMs: 2_000 };
      const service = await openService(server().url, { config });
      const tokens = await login(service);
      const answer = await postAs(service, '/auth/logout', tokens.access_token);
      const { event, reason, seconds } = await judgementOf(service, config);
      if (canWaitForDisk(server().version)) {
        expect(answer.statusCode).toBe(204);
        expect([event, seconds]).toEqual(['revocations_kept', 0]);
      } else {
        expectProblem(answer, 'REVOCATION_UNCONFIRMED');
        expect([event, seconds]).toEqual(['revocations_at_risk', 2]);
        expect(reason).toContain('WAITAOF');
      }
      // It has ended all the same.
      expect((await verify(service, tokens.access_token)).statusCode).toBe(401);
      await service.close();
    });
  },
  { args: EVERYSEC },
);
