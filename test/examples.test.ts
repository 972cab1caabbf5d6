// Every example is a page of the documentation and runs here as a user would run it: as a program
// of its own, against a real server, with nothing but REDIS_URL, or REDIS_ENDPOINTS where it is
// about two of them. Those of sentinels and clusters get real ones.

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { useCluster } from './support/clusters.js';
import { PRIMARY_NAME, useSentinels } from './support/sentinels.js';
import { useServer } from './support/servers.js';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '..');

/** What each example must print, whatever else it prints. */
const EXPECTED: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  'blocking-worker': ['worked on paint', 'worked on caulk', 'worked on sail', 'stopped'],
  bullmq: [
    'scrub is done',
    'varnish is done',
    'workers: 1',
    'connections of their own: 2',
    'left: 0',
  ],
  cancel: [
    'blPop: ABORTED',
    'acquire with a signal: ABORTED',
    'acquire with a limit: ACQUIRE_TIMEOUT',
    'get: answered null',
  ],
  cluster: [
    "tides: [ '04:12', '10:40', '07:26' ]",
    'primaries: 3',
    'two slots: CROSS_SLOT',
    'visits: 1',
    'keys: tide:high tide:low tide:turn {ship:7}:name {ship:7}:visits',
  ],
  environment: [
    'development: 1 workers x 20 connections',
    'staging: 2 workers x 30 connections',
    'production: 4 workers x 40 connections',
    '8 workers share 400 connections: 50 each',
    '[secret]',
  ],
  'express-session': ['{ visits: 1 }', '{ visits: 2 }'],
  failback: [
    'here -> there (manual)\nbuoy: null\nthere -> here (failback)\nbuoy: lit\n',
    'elsewhere: INVALID_ARGUMENT',
    'active: here of here (healthy), there (healthy)',
  ],
  'from-node-redis': [
    'visits: 2',
    'heard: the tide is in',
    'bought: 1 left: 9',
    'on a connection of its own: PONG',
    'a misspelt option: socket.hots has no meaning here',
  ],
  'health-check': ['healthy: true', "state: 'ready'"],
  'pub-sub': ['harbour: the tide is in', 'harbour: the tide is out'],
  'quick-start': ['ahoy', 'visits: 1000', /connections opened: [1-4]\n/],
  sentinel: [
    'primary\nreplica\n',
    'replicas that have it: 1',
    'read: green',
    'read from the primary: green',
  ],
  'socket-io': ['the tide is in'],
  'transaction-with-watch': ['bought: 10', 'left: 0 sold: 10'],
};

describe('examples', () => {
  const server = useServer();
  const second = useServer();
  const cluster = useCluster();
  const sentinels = useSentinels();

  const hostsOf = (nodes: readonly { host: string; port: number }[]) =>
    nodes.map(({ host, port }) => `${host}:${port}`).join(',');
  const addressOf = (name: string): Record<string, string> => {
    if (name === 'failback') return { REDIS_ENDPOINTS: `${server().url} ${second().url}` };
    if (name === 'cluster') return { REDIS_URL: `redis-cluster://${hostsOf(cluster().nodes)}` };
    if (name !== 'sentinel') return { REDIS_URL: server().url };
    return { REDIS_URL: `redis-sentinel://${hostsOf(sentinels().nodes)}/${PRIMARY_NAME}` };
  };

  it('are all listed here', () => {
    const files = readdirSync(path.join(root, 'examples')).filter((file) => file.endsWith('.ts'));
    expect(files.map((file) => path.basename(file, '.ts')).sort()).toEqual(
      Object.keys(EXPECTED).sort(),
    );
  });

  it.each(Object.keys(EXPECTED))('%s prints what its page says', async (name) => {
    const address = addressOf(name);
    const { stdout, stderr } = await run(
      process.execPath,
      [path.join(root, 'build', 'examples', `${name}.js`)],
      { env: { PATH: process.env.PATH, ...address }, timeout: 15_000 },
    );
    for (const text of EXPECTED[name] ?? []) expect(stdout).toMatch(text);
    expect(stdout).not.toContain('hush');
    expect(stderr).toBe('');
  });
});
