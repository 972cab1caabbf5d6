// `plimsoll doctor` on real servers: well, sick, narrow, secured, clustered, away.

import { describe, expect, test } from 'vitest';
import { freePort } from '../../../scripts/free-port.js';
import { startPrivateServer } from '../../../scripts/redis-server.js';
import { createPool } from '../../../src/index.js';
import { makeCertificates } from '../../../test/support/certificates.js';
import { useCluster } from '../../../test/support/clusters.js';
import { PRIMARY_NAME, startSentinels } from '../../../test/support/sentinels.js';
import { describeEachPrivateServer } from '../../../test/support/servers.js';
import { runHere, runProcess } from './support/run-command.js';

interface FoundFinding {
  readonly code: string;
  readonly severity: 'critical' | 'warning' | 'notice';
  readonly number: number;
  readonly message: string;
}

/** A busy machine makes these. */
const TIMING = ['ROUND_TRIP_SLOW', 'ROUND_TRIP_JITTER', 'LATENCY_EVENT', 'FORK_SLOW'];

async function examine(env: Record<string, string>, run: typeof runProcess = runHere) {
  const { code, out, errors } = await run(['doctor', '--json', '--pings', '20'], env);
  expect(errors).toBe('');
  const { findings, servers } = JSON.parse(out) as {
    findings: FoundFinding[];
    servers: { address: string; figures: Record<string, string>; slowest: { name: string }[] }[];
  };
  const worst = findings[0]?.severity;
  expect(code).toBe(worst === 'critical' ? 2 : worst === 'warning' ? 1 : 0);
  const found = Object.fromEntries(findings.map((finding) => [finding.code, finding]));
  return { code, out, findings, servers, found };
}

const HEALTHY = ['--maxmemory', '100mb', '--latency-monitor-threshold', '100', '--save', '3600 1'];

describeEachPrivateServer(
  'doctor, on a server that is well',
  (server) => {
    test('finds nothing worse than a notice, and says what it measured', async () => {
      const { findings } = await examine({ REDIS_URL: server().url });
      const others = findings.filter(({ code }) => !TIMING.includes(code));
      expect(others.filter(({ severity }) => severity !== 'notice')).toEqual([]);
      const { out } = await runHere(['doctor'], { REDIS_URL: server().url });
      expect(out).toMatch(/round trip +p50 [\d.]+ ms, p99 .* \(100 PINGs\)/);
      expect(out).toMatch(/connections +0 ours, 0 of others, budget 20, maxclients \d+/);
      expect(out).toMatch(/memory +[\d.]+ (KiB|MiB) of 100 MiB, noeviction/);
    });
  },
  { args: HEALTHY },
);

const USERS = `user default on nopass ~* &* +@all
user narrow on >hush-hush ~app:* +@read +ping
`;

describeEachPrivateServer(
  'doctor, on a server that is not',
  (server) => {
    test('finds what is wrong, with numbers', async () => {
      const pool = createPool({ url: server().url, name: 'other-service', minConnections: 1 }, {});
      await pool.client.sendCommand(['DEBUG', 'SLEEP', '0.12']);
      const env = { REDIS_URL: server().url, DEPLOYMENT_ENV: 'production' };
      const { code, found, servers } = await examine(env);
      await pool.close();
      expect(code).toBe(2);
      expect(found.MAXCLIENTS_SHORT).toMatchObject({ severity: 'critical', number: 161 - 30 });
      expect(found.IDLE_TIMEOUT).toMatchObject({ severity: 'warning', number: 10 });
      expect(found.KEEPALIVE).toMatchObject({ severity: 'warning', number: 0 });
      expect(found.MEMORY_UNLIMITED!.severity).toBe('warning');
      expect(found.SLOW_COMMANDS!.number).toBeGreaterThanOrEqual(120);
      expect(servers[0]!.slowest[0]!.name).toBe('DEBUG');
      expect(servers[0]!.figures['held by']).toContain('other-service 1');
    });

    test('says what a narrow user may not do, and what could not be looked at', async () => {
      const url = server().url.replace('redis://', 'redis://narrow:hush-hush@');
      const { found, out } = await examine({ REDIS_URL: url, REDIS_AUTOSCALE_CEILING: '60' });
      expect(found.ACL_LACKS!.message).toContain('eval (the pool cannot grow');
      expect(found.ACL_LACKS).toMatchObject({ severity: 'warning' });
      expect(found.ACL_LACKS!.message).toMatch(/narrow may not run \d commands .*client\|unblock/);
      expect(found.NOT_LOOKED_AT!.message).toContain('config|get');
      expect(out).not.toContain('hush-hush');
    });
  },
  {
    args: [
      '--maxclients',
      '30',
      '--timeout',
      '10',
      '--tcp-keepalive',
      '0',
      '--aclfile',
      'users.acl',
    ],
    files: { 'users.acl': USERS },
  },
);

describe('doctor, without a connection', () => {
  test('says whom that concerns', async () => {
    const { found } = await examine({ REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    expect(found.UNREACHABLE!.message).toMatch(/CONNECT_FAILED: .*ECONNREFUSED/);
  });

  test('says so of a wrong password, and does not repeat it', async () => {
    await using server = await startPrivateServer({ password: 'right' });
    const url = server.url.replace('right', 'wrong-one');
    const { found, out } = await examine({ REDIS_URL: url });
    expect(found.UNREACHABLE!.message).toContain('AUTH_FAILED');
    expect(out).not.toContain('wrong-one');
  });

  test('lists what is wrong with the environment', async () => {
    const { found } = await examine({ REDIS_PORT: 'none', WEB_CONCURRENCY: '0' });
    expect(found.CONFIGURATION_INVALID).toMatchObject({ severity: 'critical', number: 2 });
  });
});

test('doctor sees certificates that end soon, trusted or not', async () => {
  const certificates = await makeCertificates();
  const tls = { caFile: certificates.caFile, ...certificates.server };
  await using server = await startPrivateServer({ tls });
  const env = { REDIS_URL: `rediss://127.0.0.1:${server.tlsPort}` };
  // Node reads that variable at its start.
  const trusted = await examine({ ...env, NODE_EXTRA_CA_CERTS: certificates.caFile }, runProcess);
  expect(trusted.found.CERTIFICATE_EXPIRES).toMatchObject({ severity: 'critical', number: 1 });
  expect(trusted.found.UNREACHABLE).toBeUndefined();
  const untrusted = await examine(env);
  expect(untrusted.found.UNREACHABLE!.message).toContain('TLS_FAILED');
  expect(untrusted.found.CERTIFICATE_EXPIRES).toMatchObject({ severity: 'critical', number: 1 });
  certificates.remove();
});

test('doctor knows a replica without CONFIG, and a primary that refuses writes without one', async () => {
  await using primary = await startPrivateServer({ args: ['--min-replicas-to-write', '1'] });
  const of = ['--replicaof', primary.host, String(primary.port)];
  // As managed services have it.
  const managed = ['--rename-command', 'CONFIG', ''];
  await using replica = await startPrivateServer({ args: [...of, ...managed] });
  const { found } = await examine({ REDIS_URL: replica.url });
  expect(found.NOT_LOOKED_AT).toMatchObject({ severity: 'notice', number: 1 });
  expect(found.NOT_PRIMARY!.severity).toBe('critical');
  await replica.stop();
  const after = await examine({ REDIS_URL: primary.url });
  expect(after.found.REPLICAS_TOO_FEW).toMatchObject({ severity: 'critical', number: 1 });
});

test('doctor finds the primary behind sentinels, and asks each of several endpoints', async () => {
  const sentinels = await startSentinels({ replicas: 0 });
  const { nodes, servers } = sentinels;
  const [{ host, port }] = nodes as [{ host: string; port: number }];
  const [primary] = servers;
  const watched = await examine({ REDIS_URL: `redis-sentinel://${host}:${port}/${PRIMARY_NAME}` });
  expect(watched.servers).toMatchObject([{ address: `${primary!.host}:${primary!.port}` }]);
  expect(watched.found.PRIMARY_WITHOUT_REPLICA).toMatchObject({ severity: 'warning', number: 1 });
  const away = `127.0.0.1:${await freePort()}`;
  const { servers: asked, findings } = await examine({
    REDIS_ENDPOINTS: `redis://${away} ${primary!.url}`,
  });
  await sentinels.stop();
  expect(asked).toHaveLength(1);
  expect(findings[0]).toMatchObject({ code: 'UNREACHABLE', where: away });
});

describe('doctor, on a cluster', () => {
  const cluster = useCluster();

  test('asks each primary, and judges the whole once', async () => {
    const nodes = cluster().nodes.map(({ host, port }) => `${host}:${port}`);
    const { servers, findings } = await examine({ REDIS_URL: `redis-cluster://${nodes[0]}` });
    expect(servers.map(({ address }) => address).sort()).toEqual(nodes.sort());
    const bare = findings.filter(({ code }) => code === 'PRIMARY_WITHOUT_REPLICA');
    expect(bare).toMatchObject([{ severity: 'warning', number: 3 }]);
    expect(findings.filter(({ code }) => /^(CLUSTER|SLOTS|NODES)_/.test(code))).toEqual([]);
  });
});
