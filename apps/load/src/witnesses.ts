// Load testers that others wrote, run on the same GET request as ours and read the same way.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CrossCheckOptions, ToolFigures } from './cross-check.js';
import { LoadError } from './errors.js';
import { RowStats } from './stats/summary.js';

/** `autocannon` comes with the repository; `wrk` must be on the PATH, costs less and knows no rate. */
export const WITNESSES = ['autocannon', 'wrk'] as const;
export type Witness = (typeof WITNESSES)[number];

/** In which connections are started; it isn't counted. */
export const START_MS = 1_000;

export function measureWitness(name: Witness, options: CrossCheckOptions): Promise<ToolFigures> {
  return name === 'wrk' ? measureWrk(options) : measureAutocannon(options);
}

/** What is used of autocannon, which comes without types. */
type Autocannon = (
  options: object,
  done: (error: Error | null, result: { non2xx: number; errors: number }) => void,
) => {
  on(
    event: 'response',
    listener: (client: unknown, status: number, bytes: number, durationMs: number) => void,
  ): void;
};

async function measureAutocannon(options: CrossCheckOptions): Promise<ToolFigures> {
  const { host, headers, connections = 50, durationMs = 5000, rate } = options;
  const name: string = 'autocannon';
  const { default: autocannon } = (await import(name)) as { default: Autocannon };
  // autocannon's own percentiles are whole milliseconds; its events are finer.
  const stats = new RowStats('GET', options.path);
  const countedFromMs = performance.now() + START_MS;
  let lastMs = countedFromMs;
  const failures = await new Promise<number>((resolve, reject) => {
    const settings = {
      url: new URL(options.path, host).href,
      connections,
      duration: (durationMs + START_MS) / 1000,
      headers,
      ...(rate === undefined ? {} : { overallRate: rate }),
    };
    const run = autocannon(settings, (error, result) => {
      if (error) reject(error);
      else resolve(result.non2xx + result.errors);
    });
    run.on('response', (_client, _status, _bytes, responseMs) => {
      if (performance.now() < countedFromMs) return;
      lastMs = performance.now();
      stats.add({
        latenciesUs: Uint32Array.of(Math.round(responseMs * 1000)),
        failures: 0,
        bytes: 0,
      });
    });
  });
  const { rps, p50, p99 } = stats.summarize(lastMs - countedFromMs);
  return { rps, p50, p99, failures };
}

async function measureWrk(options: CrossCheckOptions): Promise<ToolFigures> {
  const { host, headers = {}, connections = 50, durationMs = 5000, rate } = options;
  if (rate !== undefined) throw new LoadError('INVALID_OPTION', 'wrk cannot hold a rate.');
  const { stdout } = await promisify(execFile)('wrk', [
    '--threads=1',
    '--latency',
    `--connections=${connections}`,
    `--duration=${Math.ceil(durationMs / 1000)}s`,
    ...Object.entries(headers).map(([name, value]) => `--header=${name}: ${value}`),
    new URL(options.path, host).href,
  ]);
  return parseWrk(stdout);
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** Of what wrk prints. @throws LoadError where that isn't wrk's output. */
export function parseWrk(output: string): ToolFigures {
  const find = (pattern: RegExp) => {
    const match = pattern.exec(output);
    if (match === null) throw new LoadError('INVALID_OPTION', `wrk printed no result:\n${output}`);
    return match;
  };
  const latencyMs = (percent: number) => {
    const [, value, unit] = find(new RegExp(`^ *${percent}% +([\\d.]+)(us|ms|s|m)$`, 'm'));
    return Number(value) * UNIT_MS[unit!]!;
  };
  const sumOf = (text: string | undefined) =>
    (text?.match(/\d+/g) ?? []).reduce((sum, count) => sum + Number(count), 0);
  return {
    rps: Number(find(/^Requests\/sec: +([\d.]+)$/m)[1]),
    p50: latencyMs(50),
    p99: latencyMs(99),
    failures:
      sumOf(/^ *Non-2xx or 3xx responses:(.*)$/m.exec(output)?.[1]) +
      sumOf(/^ *Socket errors:(.*)$/m.exec(output)?.[1]),
  };
}
