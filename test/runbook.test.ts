// docs/runbook.md against a running service: each of its commands runs and answers, each alert and
// metric that it names is there; and Prometheus understands the queries of the 24-hour watch.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endServices, startService } from '../apps/auth/test/support/primary.js';
import { findProgram } from '../scripts/find-server.js';
import { ensurePrometheus } from '../scripts/redis-server.js';
import { createPool } from '../src/index.js';
import { poolMetrics } from '../src/observe/pool-metrics.js';
import { useServer } from './support/servers.js';

const read = (name: string) => readFileSync(path.join(import.meta.dirname, '..', name), 'utf8');
const all = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match[1] as string);

const page = read('docs/runbook.md');
const [prelude, ...blocks] = all(page, /^ *```sh\n([^`]*)```/gm);
/** Indented ones belong to a list. */
const lines = blocks.flatMap((block) => block.trim().split(/\n\s*/));
/** For the start of a service on a busy machine, ms. */
const START_MS = 150_000;
/** `redis-cli` says errors of the server on its standard output and ends with 0. */
const FAILED = /^\(error\)|^ERR|^NOPERM|Could not connect/m;

const hasPrograms =
  (await findProgram('redis-cli')) !== undefined && (await findProgram('curl')) !== undefined;

describe.skipIf(!hasPrograms)('each command of the runbook (redis-cli and curl)', () => {
  const server = useServer();
  let folder = '';
  let url = '';

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-runbook-'));
    const service = await startService(server().url, {
      REDIS_MAX_CONNECTIONS: '40',
      REDIS_AUTOSCALE_CEILING: '80',
    });
    url = service.url;
    writeFileSync(path.join(folder, 'service.log'), service.output());
    writeFileSync(path.join(folder, 'env'), '');
    symlinkSync(path.join(import.meta.dirname, '..'), path.join(folder, 'current'));
    // So that the slow log has something.
    await using pool = createPool({ url: server().url }, {});
    await pool.client.configSet('slowlog-log-slower-than', '0');
    await fetch(`${url}/health/ready`);
  }, START_MS);
  afterAll(async () => {
    await endServices();
    rmSync(folder, { recursive: true });
  });

  test('there are many', () => expect(lines.length).toBeGreaterThan(50));

  async function run(line: string): Promise<string> {
    const env = { ...process.env, REDIS_URL: server().url, OPERATOR: url };
    const options = { cwd: folder, env };
    const command = ['-ec', `${prelude}\n${line}`];
    const { stdout } = await promisify(execFile)('sh', command, options);
    expect(stdout).not.toMatch(FAILED);
    return stdout;
  }

  test('one that asks for what is not there would be noticed', async () => {
    await expect(run('metric redis_pool_no_such_thing')).rejects.toThrow();
    await expect(run('redis no-such-command')).rejects.toThrow();
  });

  test.concurrent.each(lines)('%s', async (line) => {
    const stdout = await run(line);
    const mayBeEmpty = line.includes('service.log') || line.includes('>> env');
    if (!mayBeEmpty) expect(stdout.trim()).not.toBe('');
  });
});

test('the runbook names alerts that there are, and each of them but those of the service', () => {
  const alerts = all(read('ops/prometheus/plimsoll-alerts.yml'), /- alert: (\w+)/g);
  const named = all(page, /`((?:Plimsoll|Redis)[A-Z]\w+)`/g);
  const ours = alerts.filter((name) => name.startsWith('Plimsoll'));
  const elsewhere = ['PlimsollHealthCheckFailures', 'PlimsollLeaseLeak', 'PlimsollGrowthHeld'];
  expect(named.filter((name) => !alerts.includes(name))).toEqual([]);
  expect(ours.filter((name) => !named.includes(name) && !elsewhere.includes(name))).toEqual([]);
});

describe('the 24-hour watch', () => {
  const watch = read('docs/deployment.md').split('### The first 24 hours')[1]!.split('\n## ')[0]!;
  const queries = all(watch, /^\| `(.*?)` \|/gm).map((query) => query.replaceAll('\\|', '|'));

  test('asks for metrics that there are', () => {
    expect(queries.length).toBeGreaterThan(15);
    const known = poolMetrics([]).map(({ name }) => name);
    const asked = all(queries.join('\n'), /\b(redis_pool_\w+)/g).map((name) =>
      name.replace(/_seconds_bucket$/, '_seconds'),
    );
    expect(asked.filter((name) => !known.includes(name))).toEqual([]);
  });

  test('is understood by Prometheus', async ({ skip }) => {
    const programs = await ensurePrometheus();
    skip(programs === undefined, 'no promtool; apt-get install prometheus');
    const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-watch-'));
    const rules = queries.map((expr, index) => ({ record: `watch:query:${index}`, expr }));
    const file = path.join(folder, 'watch.json');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'watch', rules }] }));
    await promisify(execFile)(programs!.promtool, ['check', 'rules', file]);
    rmSync(folder, { recursive: true });
  });
});
