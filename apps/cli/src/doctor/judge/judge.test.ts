// Each finding by table: the facts that bring it, its severity and its number. What is one step this
// side of the limit brings nothing.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Facts, FailureFacts, HostFacts, PoolFacts, ServerFacts } from '../facts.js';
import {
  exitCodeOf,
  FINDING_CODES,
  FINDING_UNITS,
  type Finding,
  type Severity,
} from '../finding.js';
import { clusterNode } from '../gather-server.js';
import { judge, judgeProblems } from './judge.js';

const NOW_MS = Date.parse('2026-12-01T00:00:00Z');
const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

const INFO: Readonly<Record<string, string>> = {
  ...{ redis_version: '7.4.1', role: 'master', connected_slaves: '0', connected_clients: '13' },
  ...{ used_memory: String(200 * MIB), used_memory_rss: String(220 * MIB), aof_enabled: '1' },
  ...{ db0: 'keys=10,expires=4,avg_ttl=0', rejected_connections: '0', master_repl_offset: '5000' },
};

const CONFIG: Readonly<Record<string, string>> = {
  ...{ maxclients: '10000', timeout: '0', 'tcp-keepalive': '300', save: '3600 1' },
  ...{ maxmemory: String(1024 * MIB), 'maxmemory-policy': 'noeviction' },
  ...{ 'slowlog-log-slower-than': '10000', 'latency-monitor-threshold': '100' },
  ...{ 'repl-backlog-size': String(MIB) },
  'client-output-buffer-limit':
    'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
};

const CLIENT = {
  ...{ address: '10.0.0.5:4000', name: 'batch', library: '', command: 'get' },
  ...{ outputBytes: 0, totalBytes: 20_000, isReplica: false },
};

const PLACE = { address: 'redis:6379', nearness: 'same-host' } as const;

const POOL: PoolFacts = {
  ...{ name: 'plimsoll', username: 'app', workers: 4, maxConnections: 40 },
  ...{ healthCheckIntervalMs: 30_000, laneDepth: 512, database: 0 },
  ...{
    mayGrow: false,
    usesReplicas: false,
    usesZones: false,
    isCluster: false,
    asksSentinels: false,
  },
};

interface Sickness {
  readonly info?: Record<string, string>;
  readonly config?: Record<string, string>;
  readonly server?: Partial<ServerFacts>;
  readonly pool?: Partial<PoolFacts>;
  readonly host?: Partial<HostFacts>;
  readonly failure?: Partial<FailureFacts>;
  readonly warnings?: readonly string[];
}

/** Facts in which all is well but for what is given. */
function factsOf({ info, config, server, pool, host, failure, warnings }: Sickness): Facts {
  const unreachable = { code: 'CONNECT_FAILED', message: 'refused', afterMs: 2_000.4 } as const;
  return {
    nowMs: NOW_MS,
    pool: { ...POOL, ...pool },
    host: { openFilesLimit: 65_536, ports: 28_232, ...host },
    servers: [
      {
        ...PLACE,
        roundTrip: { count: 100, p50: 0.2, p99: 0.5, max: 1 },
        info: { ...INFO, ...info },
        config: { ...CONFIG, ...config },
        clients: [CLIENT],
        slowest: [],
        latencyEvents: [],
        cluster: undefined,
        tls: undefined,
        missingRights: [],
        refused: [],
        localSockets: 3,
        ...server,
      },
    ],
    failures:
      failure === undefined ? [] : [{ ...PLACE, ...unreachable, tls: undefined, ...failure }],
    configurationWarnings: warnings ?? [],
  };
}

function certificate(days: number, isVerified = true, protocol = 'TLSv1.3') {
  const facts = { whose: 'of the server', subject: 'redis', validToMs: NOW_MS + days * DAY_MS };
  return { tls: { protocol, certificates: [facts], isVerified } };
}

function clusterOf(info: Record<string, string>, nodes: readonly string[] = []) {
  const whole = { cluster_state: 'ok', cluster_slots_assigned: '16384', cluster_slots_ok: '16384' };
  return { cluster: { info: { ...whole, ...info }, nodes: nodes.map(clusterNode) } };
}

const PRIMARY = 'aa 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383';
const REPLICA = 'bb 10.0.0.2:7000@17000 slave aa 0 0 1 connected';

const slow = (ms: number) => ({
  slowest: [{ name: 'KEYS', argumentCount: 1, ms, atSeconds: 0, client: 'batch' }],
});
const event = (maxMs: number) => ({ latencyEvents: [{ event: 'fork', maxMs, lastMs: 1 }] });
const right = (isEssential: boolean) => ({
  missingRights: [{ right: 'client|unblock', isEssential, cost: 'it may lose an element' }],
});
const replica = (fields: string) => ({ connected_slaves: '1', slave0: `ip=r,port=1,${fields}` });

const SICK: readonly [string, Sickness, Severity, number][] = [
  ['CONFIGURATION_WARNING', { warnings: ['unknown parameter'] }, 'notice', 1],
  ['UNREACHABLE', { failure: {} }, 'critical', 2_000],
  ['CERTIFICATE_EXPIRES', { failure: { code: 'TLS_FAILED', ...certificate(-2) } }, 'critical', -2],
  ['ROUND_TRIP_SLOW', { server: { roundTrip: { count: 9, p50: 3, p99: 4, max: 5 } } }, 'notice', 3],
  [
    'ROUND_TRIP_SLOW',
    { server: { roundTrip: { count: 9, p50: 12, p99: 13, max: 14 } } },
    'warning',
    12,
  ],
  [
    'ROUND_TRIP_JITTER',
    { server: { roundTrip: { count: 9, p50: 1, p99: 21, max: 90 } } },
    'notice',
    20,
  ],
  [
    'ROUND_TRIP_JITTER',
    { server: { roundTrip: { count: 9, p50: 1, p99: 61, max: 90 } } },
    'warning',
    60,
  ],
  ['MAXCLIENTS_SHORT', { config: { maxclients: '160' } }, 'critical', 1],
  [
    'MAXCLIENTS_SHORT',
    { config: { maxclients: '100' }, server: { clients: undefined } },
    'critical',
    60,
  ],
  ['MAXCLIENTS_NEAR', { config: { maxclients: '200' } }, 'warning', 80.5],
  ['CONNECTIONS_REJECTED', { info: { rejected_connections: '7' } }, 'warning', 7],
  ['IDLE_TIMEOUT', { config: { timeout: '30' } }, 'warning', 30],
  ['IDLE_TIMEOUT', { config: { timeout: '300' } }, 'notice', 300],
  ['KEEPALIVE', { config: { 'tcp-keepalive': '0' } }, 'warning', 0],
  ['KEEPALIVE', { config: { 'tcp-keepalive': '7200' } }, 'notice', 7_200],
  ['OUTPUT_BUFFER_NORMAL', { config: limits('normal 1048576 0 0') }, 'warning', MIB],
  ['OUTPUT_BUFFER_NORMAL', { config: limits(`normal 0 ${128 * MIB} 60`) }, 'notice', 128 * MIB],
  ['OUTPUT_BUFFER_PUBSUB', { config: limits('pubsub 0 0 0') }, 'warning', 0],
  [
    'OUTPUT_BUFFER_REPLICA',
    { config: limits('replica 1024 0 0'), info: replica('state=online,offset=5000,lag=0') },
    'warning',
    1_024,
  ],
  [
    'BIG_CLIENT',
    { server: { clients: [{ ...CLIENT, outputBytes: 20 * MIB }] } },
    'warning',
    20 * MIB,
  ],
  ['MEMORY_UNLIMITED', { config: { maxmemory: '0' } }, 'warning', 200 * MIB],
  ['MEMORY_NEAR', { config: { maxmemory: String(220 * MIB) } }, 'warning', 90.9],
  ['MEMORY_NEAR', { config: { maxmemory: String(205 * MIB) } }, 'critical', 97.6],
  [
    'MEMORY_NEAR',
    { config: { maxmemory: String(205 * MIB), 'maxmemory-policy': 'volatile-ttl' } },
    'notice',
    97.6,
  ],
  ['MEMORY_SWAPPED', { info: { used_memory_rss: String(100 * MIB) } }, 'warning', 0.5],
  ['MEMORY_FRAGMENTED', { info: { used_memory_rss: String(360 * MIB) } }, 'notice', 1.8],
  ['MEMORY_FRAGMENTED', { info: { used_memory_rss: String(500 * MIB) } }, 'warning', 2.5],
  ['EVICTS_ANY_KEY', { config: { 'maxmemory-policy': 'allkeys-lru' } }, 'notice', 10],
  [
    'EVICTS_NOTHING',
    { config: { 'maxmemory-policy': 'volatile-lru' }, info: { db0: 'keys=3,expires=0' } },
    'warning',
    3,
  ],
  ['KEYS_EVICTED', { info: { evicted_keys: '12' } }, 'warning', 12],
  ['LOADING', { info: { loading: '1', loading_loaded_perc: '42.5' } }, 'critical', 42.5],
  ['PERSISTENCE_OFF', { config: { save: '' }, info: { aof_enabled: '0' } }, 'notice', 10],
  [
    'SAVE_FAILED',
    { info: { rdb_last_bgsave_status: 'err', rdb_changes_since_last_save: '9' } },
    'critical',
    9,
  ],
  [
    'SAVE_FAILED',
    { info: { rdb_last_bgsave_status: 'err' }, config: { 'stop-writes-on-bgsave-error': 'no' } },
    'warning',
    0,
  ],
  ['AOF_FAILED', { info: { aof_last_write_status: 'err' } }, 'critical', 1],
  ['AOF_FAILED', { info: { aof_last_bgrewrite_status: 'err' } }, 'warning', 1],
  ['AOF_DELAYED', { info: { aof_delayed_fsync: '5' } }, 'warning', 5],
  ['FORK_SLOW', { info: { latest_fork_usec: '250000' } }, 'warning', 250],
  ['SLOW_COMMANDS', { server: slow(40) }, 'notice', 40],
  ['SLOW_COMMANDS', { server: slow(1_200) }, 'warning', 1_200],
  ['SLOW_LOG_OFF', { config: { 'slowlog-log-slower-than': '-1' } }, 'notice', -1],
  ['LATENCY_EVENT', { server: event(30) }, 'notice', 30],
  ['LATENCY_EVENT', { server: event(300) }, 'warning', 300],
  ['LATENCY_MONITOR_OFF', { config: { 'latency-monitor-threshold': '0' } }, 'notice', 0],
  ['TLS_OFF', { server: { nearness: 'private-network' } }, 'notice', 160],
  ['TLS_OFF', { server: { nearness: 'public-network' } }, 'warning', 160],
  ['TLS_UNVERIFIED', { server: certificate(300, false) }, 'warning', 1],
  ['TLS_PROTOCOL_OLD', { server: certificate(300, true, 'TLSv1.1') }, 'warning', 1.1],
  ['CERTIFICATE_EXPIRES', { server: certificate(29) }, 'warning', 29],
  ['CERTIFICATE_EXPIRES', { server: certificate(2) }, 'critical', 2],
  ['VERSION_OLD', { info: { redis_version: '5.0.14' } }, 'warning', 5],
  ['VERSION_LACKS', { info: { redis_version: '6.2.14' } }, 'notice', 2],
  ['NOT_PRIMARY', { info: { role: 'slave', master_link_status: 'up' } }, 'critical', 0],
  [
    'PRIMARY_LINK_DOWN',
    { info: { role: 'slave', master_link_status: 'down', master_link_down_since_seconds: '8' } },
    'critical',
    8,
  ],
  ['REPLICA_LAG', { info: replica('state=online,offset=1,lag=20') }, 'warning', 20],
  ['REPLICA_LAG', { info: replica('state=online,offset=1,lag=90') }, 'critical', 90],
  ['REPLICA_OFFLINE', { info: replica('state=wait_bgsave,offset=0,lag=0') }, 'warning', 1],
  ['REPLICAS_TOO_FEW', { config: { 'min-replicas-to-write': '2' } }, 'critical', 2],
  ['PRIMARY_WITHOUT_REPLICA', { pool: { asksSentinels: true } }, 'warning', 1],
  ['PRIMARY_WITHOUT_REPLICA', { server: clusterOf({}, [PRIMARY]) }, 'warning', 1],
  [
    'CLUSTER_DOWN',
    { server: clusterOf({ cluster_state: 'fail', cluster_slots_ok: '10923' }) },
    'critical',
    5_461,
  ],
  ['SLOTS_UNCOVERED', { server: clusterOf({ cluster_slots_assigned: '16380' }) }, 'critical', 4],
  [
    'SLOTS_MOVING',
    { server: clusterOf({}, [`${PRIMARY} [7->-cc] [8-<-cc]`, REPLICA]) },
    'notice',
    2,
  ],
  [
    'NODES_FAILING',
    { server: clusterOf({}, [PRIMARY, REPLICA, REPLICA.replace('slave', 'slave,fail')]) },
    'warning',
    1,
  ],
  [
    'NODES_FAILING',
    { server: clusterOf({}, [PRIMARY.replace('myself,master', 'master,fail'), REPLICA]) },
    'critical',
    1,
  ],
  ['DESCRIPTORS_SHORT', { host: { openFilesLimit: 1_024 } }, 'warning', 1_024],
  ['DESCRIPTORS_SHORT', { host: { openFilesLimit: 32 } }, 'critical', 32],
  ['PORTS_SHORT', { host: { ports: 190 } }, 'warning', 190],
  ['PORTS_SHORT', { host: { ports: 1_000 }, server: { localSockets: 1_100 } }, 'critical', 1_000],
  ['ACL_LACKS', { server: right(false) }, 'warning', 1],
  ['ACL_LACKS', { server: right(true) }, 'critical', 1],
  ['NOT_LOOKED_AT', { server: { refused: ['config|get', 'slowlog|get'] } }, 'notice', 2],
];

function limits(text: string): Record<string, string> {
  return { 'client-output-buffer-limit': text };
}

describe('judge', () => {
  it('finds nothing where all is well', () => {
    expect(judge(factsOf({}))).toEqual([]);
  });

  it.each(SICK)('%s %#: as the facts say', (code, sickness, severity, number) => {
    const found = judge(factsOf(sickness)).filter((finding) => finding.code === code);
    expect(found).toMatchObject([{ severity, number }]);
    const [finding] = found as [Finding];
    expect(finding.unit).toBe(FINDING_UNITS[finding.code]);
    expect(finding.message).toMatch(/^\S.*[.:]?\S$/);
    expect(finding.cure).not.toBe('');
  });

  it('has a row for each finding, but for that of a refused environment', () => {
    const codes = new Set(SICK.map(([code]) => code));
    const missing = FINDING_CODES.filter((code) => !codes.has(code));
    expect(missing).toEqual(['CONFIGURATION_INVALID']);
    expect(judgeProblems(['REDIS_PORT must be a number'])).toMatchObject([
      { code: 'CONFIGURATION_INVALID', severity: 'critical', number: 1 },
    ]);
  });

  it.each([
    ['a limit of ordinary clients that is none', { config: limits('normal 0 0 0') }],
    ['a version that lacks nothing', { info: { redis_version: '7.2.4' } }],
    ['a Valkey', { info: { redis_version: '7.2.4', valkey_version: '8.0.1' } }],
    [
      'memory that is nearly full in a cache',
      { config: { maxmemory: String(220 * MIB), 'maxmemory-policy': 'volatile-ttl' } },
    ],
    [
      'a ratio of small numbers',
      { info: { used_memory: String(MIB), used_memory_rss: String(9 * MIB) } },
    ],
    ['certificates that last', { server: certificate(31) }],
    ['a healthy cluster', { server: clusterOf({}, [PRIMARY, REPLICA]) }],
    [
      'a server that tells nothing',
      { server: { info: undefined, config: undefined, clients: undefined } },
    ],
  ] as const)('takes %s for well', (_, sickness) => {
    expect(judge(factsOf(sickness))).toEqual([]);
  });

  it('puts the most severe first, and makes the exit code of it', () => {
    const { servers } = factsOf({ config: { maxclients: '10', timeout: '300' } });
    const findings = judge({ ...factsOf({ host: { openFilesLimit: 1_024 } }), servers });
    expect(findings.map(({ severity }) => severity)).toEqual(['critical', 'warning', 'notice']);
    expect([findings, findings.slice(1), findings.slice(2), []].map(exitCodeOf)).toEqual([
      2, 1, 0, 0,
    ]);
  });

  it('takes the worst of what several nodes say of their cluster, once', () => {
    const views = ['16380', '16000', '16384'].map((cluster_slots_assigned, index) => {
      const [server] = factsOf({ server: clusterOf({ cluster_slots_assigned }) }).servers;
      return { ...server!, address: `n${index}:7000` };
    });
    const found = judge({ ...factsOf({}), servers: views });
    expect(found).toMatchObject([{ code: 'SLOTS_UNCOVERED', number: 384, where: 'n1:7000' }]);
  });
});

describe('docs/doctor.md', () => {
  const page = readFileSync(new URL('../../../../../docs/doctor.md', import.meta.url), 'utf8');
  const rows = page.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \| .+ \|$/gm);
  const documented = [...rows].map(([, code, severities, unit]) => [code, severities, unit]);

  it('has a row for each finding, with its severities and what its number counts', () => {
    const severitiesOf = (code: string) =>
      (['notice', 'warning', 'critical'] as const).filter((severity) =>
        SICK.some((row) => row[0] === code && row[2] === severity),
      );
    const expected = FINDING_CODES.map((code) => [
      code,
      severitiesOf(code).join(', ') || 'critical',
      FINDING_UNITS[code],
    ]);
    expect(documented).toEqual(expected);
  });
});
