// ops/grafana as Grafana and Prometheus would have it: the dashboard's parts are where and what Grafana
// expects, and each query of each panel, asked of a real Prometheus that scrapes the real service
// under load, has something to show.

import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { endServices, startService } from '../apps/auth/test/support/primary.js';
import { freePort } from '../scripts/free-port.js';
import { GuardedProcess } from '../scripts/guarded-process.js';
import { ensurePrometheus } from '../scripts/redis-server.js';
import { poolMetrics } from '../src/observe/pool-metrics.js';
import { useServer } from './support/servers.js';
import { until } from './support/until.js';

const ROOT = path.join(import.meta.dirname, '..');
const OPS = path.join(ROOT, 'ops');
/** Whatever is chosen above the dashboard. */
const DATASOURCE = `$\{datasource}`;
/** Grafana's grid. */
const COLUMNS = 24;
/** Units that the dashboard uses, as @grafana/data names them. */
const UNITS = ['none', 'percent', 'percentunit', 'ops', 'reqps', 's', 'bytes', 'Bps'];
const PANEL_TYPES = ['timeseries', 'stat', 'gauge', 'heatmap'];

/**
 * Panels of which a quiet, healthy service on one server has nothing to show, with what its queries
 * answer then: series that are 0 or no number, or none at all. All others must show something.
 */
const QUIET: Readonly<Record<string, 'zero' | 'none'>> = {
  'Oldest waiter': 'zero',
  'Failed commands': 'zero',
  'Open breakers': 'zero',
  'Errors by code': 'zero',
  'Evictions by reason': 'zero',
  'Failed connects by code': 'zero',
  'Retries by class': 'zero',
  'Timeouts, failed PINGs, leaks, breaker': 'zero',
  'Waiters by worker': 'zero',
  'In flight and waiting by endpoint': 'zero',
  // Series that only the option `autoscale` has, and below a cluster or `endpoints`.
  'Maximum and its ceiling': 'none',
  Growth: 'none',
  'Primaries without a replica': 'none',
  'Failovers and redirects': 'none',
};
/** Of other panels, single queries that are 0 while all is well or nothing happens at a scrape. */
const QUIET_QUERIES =
  /waiters|oldest_waiter|exhausted|in_flight|in_use|utilization|leases_total|leased|connecting|wait_duration|lease_duration|connect_duration|event_loop_lag|missing|restarts|hung|refused|endpoint_waiters/;

/** As the packages of Grafana are written. */
const OPTIONS = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
};

const SERVICE_MS = 60_000;
/** From a query that finds nothing to the scrape that brings it, ms. */
const SHOWN_MS = 10_000;
const SCRAPE_MS = 1_000;
/** Once there is an answer to this, enough was scraped of a service that answers. */
const SEEN =
  'job_pool:redis_pool_commands:rate5m > 0 and on (pool) count_over_time(redis_pool_waiters[1m]) > 2';

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly datasource: { readonly type: string; readonly uid: string };
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: Target['datasource'];
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly object[] };
    };
  };
  readonly targets?: readonly Target[];
}
interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly datasource?: Target['datasource'];
}
interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

const dashboard = JSON.parse(
  readFileSync(path.join(OPS, 'grafana/dashboards/plimsoll.json'), 'utf8'),
) as Dashboard;
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr })),
);
const variables = dashboard.templating.list;

/** Grafana's own types, in which words and numbers stand for the members of enums. */
const WRITTEN_TYPE = `
  import type { AnnotationQuery, Dashboard as Plain, DataQuery } from '@grafana/schema';
  type Annotation = AnnotationQuery<DataQuery & { expr: string }>;
  type Dashboard = Omit<Plain, 'annotations'> & { annotations: { list: Annotation[] } };
  type Written<T> = T extends string
    ? \`\${T}\`
    : T extends number
      ? number extends T ? number : \`\${T}\` extends \`\${infer N extends number}\` ? N : T
      : T extends readonly (infer U)[]
        ? Written<U>[]
        : T extends object ? { [K in keyof T]: Written<T[K]> } : T;
`;

/** What Grafana's types have against dashboards: lines of which each names the dashboard's file. */
async function typeErrors(dashboards: Readonly<Record<string, object>>): Promise<string[]> {
  // In here, since modules are looked for from where the file is.
  const folder = mkdtempSync(path.join(ROOT, 'build', 'dashboards-'));
  try {
    for (const [name, value] of Object.entries(dashboards)) {
      const text = `export const dashboard: Written<Dashboard> = ${JSON.stringify(value)};`;
      writeFileSync(path.join(folder, `${name}.ts`), WRITTEN_TYPE + text);
    }
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    const run = promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder });
    const output = await run.then(
      () => '',
      ({ stdout }) => String(stdout),
    );
    return output.trim().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the dashboard', () => {
  test(
    'is one by the types that Grafana publishes',
    async () => {
      const gridPos = { x: 0, y: 0, w: 'wide', h: 1 };
      const [first, second] = await typeErrors({
        dashboard,
        misspelt: { ...dashboard, pannels: [] },
        wrong: { ...dashboard, panels: [{ ...dashboard.panels[0], gridPos }] },
      });
      expect(first).toMatch(/^misspelt\.ts.*pannels.*does not exist/);
      expect(second).toMatch(/^wrong\.ts.*'string' is not assignable to type 'number'/);
    },
    SERVICE_MS,
  );

  test('has what Grafana asks of one, each id once, and no panel upon another', () => {
    expect(dashboard).toMatchObject({ uid: 'plimsoll', title: expect.any(String) });
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const titles = dashboard.panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      const { x, y, w, h } = gridPos;
      for (const number of [x, y, w, h]) expect(Number.isInteger(number)).toBe(true);
      expect(x >= 0 && w > 0 && h > 0 && x + w <= COLUMNS, title).toBe(true);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          const before = taken.get(`${column} ${line}`);
          expect(before, `${title} lies upon ${before}`).toBeUndefined();
          taken.set(`${column} ${line}`, title);
        }
      }
    }
  });

  test('says of each panel what it shows, in which unit, and of each series what it is', () => {
    for (const { title, type, description, datasource, fieldConfig, targets } of panels) {
      expect(PANEL_TYPES, title).toContain(type);
      expect(description, title).toMatch(/\.$/);
      expect(UNITS, title).toContain(fieldConfig?.defaults.unit);
      const references = (targets ?? []).map(({ refId }) => refId);
      expect(references.length, title).toBeGreaterThan(0);
      expect(new Set(references).size, title).toBe(references.length);
      for (const target of [{ datasource }, ...(targets ?? [])]) {
        expect(target.datasource, title).toEqual({ type: 'prometheus', uid: DATASOURCE });
      }
      for (const { legendFormat } of targets ?? []) expect(legendFormat, title).not.toBe('');
    }
  });

  test('can be narrowed to a pool, a worker and an endpoint, and uses each variable it has', () => {
    const names = variables.map(({ name }) => name);
    expect(names).toEqual(['datasource', 'job', 'pool', 'worker', 'endpoint']);
    const text = queries.map(({ expr }) => expr).join('\n');
    for (const name of names.slice(1)) expect(text).toContain(`${name}=~"$${name}"`);
    for (const { title, expr } of queries) {
      expect(expr, title).toContain('job=~"$job"');
      if (expr.includes('redis_pool_')) expect(expr, title).toContain('pool=~"$pool"');
      const used = [...expr.matchAll(/\$(\w+)/g)].map((match) => match[1] as string);
      expect(used.filter((name) => ![...names, '__rate_interval'].includes(name))).toEqual([]);
    }
  });

  test('draws the lines of 60 and 80 % where it shows utilisation', () => {
    const shown = panels.filter(({ title }) => title.startsWith('Utilisation'));
    expect(shown).toHaveLength(3);
    for (const { fieldConfig } of shown) {
      expect(fieldConfig?.defaults.thresholds?.steps).toMatchObject([
        {},
        { value: 60 },
        { value: 80 },
      ]);
    }
  });

  test('shows every metric of a pool but those that others say as well', () => {
    const said = ['redis_pool_connections_available', 'redis_pool_connections_idle'];
    const byOthers = [
      /_failover_(active|healthy)$/,
      /_retries_total$/,
      /_opened_total$/,
      /_errors_total$/,
    ];
    const text = queries.map(({ expr }) => expr).join('\n');
    const missing = poolMetrics([])
      .map(({ name }) => name)
      .filter((name) => !text.includes(name) && !said.includes(name))
      .filter((name) => !byOthers.some((pattern) => pattern.test(name)));
    expect(missing).toEqual([]);
  });
});

test('what provisions Grafana names files and places that belong together', () => {
  const read = (name: string) => readFileSync(path.join(OPS, 'grafana/provisioning', name), 'utf8');
  expect(read('datasources/plimsoll.yml')).toMatch(/^apiVersion: 1\ndatasources:\n/m);
  expect(read('datasources/plimsoll.yml')).toContain('type: prometheus');
  expect(read('dashboards/plimsoll.yml')).toMatch(/^apiVersion: 1\nproviders:\n/m);
  const deployment = readFileSync(path.join(OPS, '../docs/deployment.md'), 'utf8');
  expect(deployment).toContain(/path: (\S+)/.exec(read('dashboards/plimsoll.yml'))?.[1]);
  expect(readdirSync(path.join(OPS, 'grafana/dashboards'))).toEqual(['plimsoll.json']);
});

const programs = await ensurePrometheus();

describe('a Prometheus that scrapes the service under load', () => {
  const server = useServer();
  let url = '';
  let prometheus: GuardedProcess | undefined;
  const stop = new AbortController();
  let loading: Promise<void> | undefined;

  beforeEach(({ skip }) =>
    skip(programs === undefined, 'no prometheus; apt-get install prometheus'),
  );
  beforeAll(async () => {
    if (programs === undefined) return;
    const [targetPort, port] = [await freePort(), await freePort()];
    url = `http://127.0.0.1:${port}`;
    const [, started] = await Promise.all([
      startService(server().url, { PORT: String(targetPort) }),
      startPrometheus(programs.prometheus, port, `127.0.0.1:${targetPort}`),
    ]);
    prometheus = started;
    const isReady = async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
    await until(isReady, SERVICE_MS);
    loading = load(`http://127.0.0.1:${targetPort}`, stop.signal);
    // A rate needs two scrapes with something between them, of both the service and the rules.
    const isSeen = async () => (await ask(SEEN)).length > 0;
    await until(isSeen, SERVICE_MS);
  }, 2 * SERVICE_MS);
  afterAll(async () => {
    stop.abort();
    await loading;
    await prometheus?.destroy();
    await endServices();
  });

  /** The values of the series that a query answers. */
  async function ask(expr: string): Promise<number[]> {
    const query = filledIn(expr);
    const answer = await fetch(`${url}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query }),
    });
    const { status, data, error } = (await answer.json()) as QueryAnswer;
    expect(status, `${query}: ${error}`).toBe('success');
    return (data?.result ?? []).map(({ value }) => Number(value[1]));
  }

  test('scrapes it, and evaluates all rules', async () => {
    await until(async () => (await ask('up'))[0] === 1, SHOWN_MS);
    await until(async () => {
      const { data } = (await (await fetch(`${url}/api/v1/rules`)).json()) as RulesAnswer;
      const rules = data.groups.flatMap((group) => group.rules);
      expect(rules.length).toBeGreaterThan(30);
      expect(rules.filter(({ lastError }) => lastError !== undefined)).toEqual([]);
      return rules.every(({ health }) => health === 'ok');
    });
    const firing = 'ALERTS{alertstate="firing"}';
    expect(await ask(firing)).toEqual([]);
  });

  test('has something to show in each panel', async () => {
    const titles = panels.map(({ title }) => title);
    expect(Object.keys(QUIET).filter((title) => !titles.includes(title))).toEqual([]);
    const problems: string[] = [];
    const judge = async ({ title, expr }: (typeof queries)[number]) => {
      let values: number[] = [];
      const isShown = async () => {
        values = await ask(expr);
        if (QUIET[title] === 'none') return true;
        const mayBeZero = QUIET[title] === 'zero' || QUIET_QUERIES.test(expr);
        return mayBeZero ? values.length > 0 : values.some((value) => value > 0);
      };
      // Where a scrape on a busy machine came too late, the next one is in time.
      await until(isShown, SHOWN_MS).catch((error) => {
        problems.push(`${title}: [${values}] for ${expr}: ${String(error).slice(0, 200)}`);
      });
    };
    await Promise.all(queries.map(judge));
    expect(problems).toEqual([]);
  });

  test('has values for each variable', async () => {
    for (const { name, type, query } of variables) {
      if (type !== 'query') continue;
      const text = typeof query === 'string' ? query : query.query;
      const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(text) ?? [];
      expect(label, text).toBe(name);
      const match = new URLSearchParams({ 'match[]': filledIn(selector as string) });
      const answer = await fetch(`${url}/api/v1/label/${label}/values?${match}`);
      const { data } = (await answer.json()) as { data: string[] };
      expect(data.length, text).toBeGreaterThan(0);
    }
  });
});

interface QueryAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data?: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}
interface RulesAnswer {
  readonly data: {
    readonly groups: readonly {
      readonly rules: readonly { readonly health: string; readonly lastError?: string }[];
    }[];
  };
}

/** With what Grafana puts in for the variables where all is chosen. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '10s').replace(/\$\w+/g, '.*');
}

/** The example with the address and the times replaced. */
async function startPrometheus(program: string, port: number, target: string) {
  const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-prometheus-'));
  for (const file of readdirSync(path.join(OPS, 'prometheus'))) {
    const text = readFileSync(path.join(OPS, 'prometheus', file), 'utf8');
    writeFileSync(path.join(folder, file), text);
  }
  const config = readFileSync(path.join(folder, 'prometheus.yml'), 'utf8')
    .replace('127.0.0.1:8001', target)
    .replace('scrape_interval: 15s', `scrape_interval: ${SCRAPE_MS}ms`)
    .replace('evaluation_interval: 15s', 'evaluation_interval: 1s');
  expect(config).toContain(target);
  writeFileSync(path.join(folder, 'prometheus.yml'), config);
  return GuardedProcess.start(folder, [
    program,
    '--config.file=prometheus.yml',
    '--storage.tsdb.path=data',
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ]);
}

/** A few users who log in and then ask who they are, and one stranger, until they are stopped. */
async function load(url: string, signal: AbortSignal): Promise<void> {
  const ask = (route: string, body: object | undefined, token?: string) =>
    fetch(`${url}${route}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const user = async (name: string) => {
    const account = { username: name, password: 'correct horse battery staple' };
    expect((await ask('/auth/register', account)).status).toBe(201);
    const answer = await ask('/auth/login', account);
    const { access_token: token } = (await answer.json()) as { access_token: string };
    while (!signal.aborted) {
      const verified = await ask('/auth/verify', undefined, token);
      await verified.arrayBuffer();
      await sleep(10);
    }
  };
  const stranger = async () => {
    while (!signal.aborted) {
      await ask('/auth/login', { username: 'nobody', password: 'a wrong password' });
      await sleep(1_000);
    }
  };
  await Promise.all([user('ann'), user('bob'), user('cleo'), stranger()]);
}
