// A running service, by its /metrics: what its pools do, all workers together and each for itself.

import { PoolError } from 'plimsoll';
import { bytesText, counted } from '../doctor/judge/numbers.js';
import { quantile, rate, Scrape } from './metrics-text.js';
import { figure, LINES, type Source, type Table, type View } from './view.js';

const TIMEOUT_MS = 5_000;
const MOST_ERROR_CODES = 4;
const POOL = 'redis_pool_';
const MAX = `${POOL}connections_max`;
/** What each worker says for itself has this before its name, and a label `worker`. */
const WORKER = 'worker_';

export class ServiceSource implements Source {
  readonly #url: string;
  readonly #token: string | undefined;
  #before: Scrape | undefined;

  constructor(url: string, token: string | undefined) {
    this.#url = url;
    this.#token = token;
  }

  async look(): Promise<View> {
    const scrape = new Scrape(await this.#fetch(), performance.now());
    if (scrape.sum(MAX) === undefined) {
      throw new PoolError('PROTOCOL_ERROR', `${this.#url} has no metrics of a pool (${MAX})`);
    }
    const view = serviceView(this.#url, this.#before, scrape);
    this.#before = scrape;
    return view;
  }

  async close(): Promise<void> {}

  async #fetch(): Promise<string> {
    const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    let problem: string;
    try {
      const response = await fetch(this.#url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.ok) return await response.text();
      problem = `status ${response.status}`;
    } catch (error) {
      const { cause, message } = error as Error;
      problem = cause instanceof Error ? cause.message : message;
    }
    throw new PoolError('CONNECT_FAILED', `${this.#url} gave no metrics: ${problem}`);
  }
}

/** @param before The scrape before, for rates. */
export function serviceView(url: string, before: Scrape | undefined, now: Scrape): View {
  const of = (name: string) => now.sum(`${POOL}${name}`);
  const perSecond = (name: string) => figure(rate(before, now, `${POOL}${name}`));
  const ms = (name: string, part: number) => {
    const seconds = quantile(before, now, `${POOL}${name}_seconds`, part);
    return figure(seconds === undefined ? undefined : seconds * 1000);
  };
  const bytes = (name: string) => bytesText(Math.round(rate(before, now, `${POOL}${name}`) ?? 0));
  const [inUse, maximum] = [of('connections_in_use') ?? 0, of('connections_max') ?? 0];
  const percent = maximum === 0 ? 0 : (100 * inUse) / maximum;
  const workers = now.valuesOf(`${WORKER}${MAX}`, 'worker');
  const pools = now.valuesOf(MAX, 'pool');
  return {
    title: `${url}  pool ${pools.join(', ')}  ${counted(Math.max(1, workers.length), 'worker')}`,
    gauges: [
      {
        name: 'utilisation',
        percent,
        text: `${figure(percent)} %, ${inUse} of ${maximum} connections${growth(of('autoscale_ceiling'))}`,
        ...LINES,
      },
    ],
    lines: [
      [
        'connections',
        `${figure(of('connections_open'))} open, ${figure(of('connections_leased'))} leased, ` +
          `${figure(of('lanes'))} lanes, ${figure(of('connections_connecting'))} being dialed`,
      ],
      [
        'waiters',
        `${figure(of('waiters'))}, the oldest for ${figure((now.max(`${POOL}oldest_waiter_age_seconds`) ?? 0) * 1000)} ms, ` +
          `exhausted ${perSecond('exhausted_total')}/s`,
      ],
      [
        'commands',
        `${perSecond('commands_total')}/s, ${figure(of('commands_in_flight'))} in flight, ` +
          `p50 ${ms('command_duration', 0.5)} ms, p95 ${ms('command_duration', 0.95)}, p99 ${ms('command_duration', 0.99)}`,
      ],
      [
        'p99 of',
        `wait ${ms('wait_duration', 0.99)} ms, lease ${ms('lease_duration', 0.99)}, ` +
          `connect ${ms('connect_duration', 0.99)}, event loop ${ms('event_loop_lag', 0.99)}`,
      ],
      ['network', `${bytes('received_bytes_total')}/s in, ${bytes('sent_bytes_total')}/s out`],
      [
        'trouble',
        `errors ${perSecond('errors_total')}/s${errorCodes(now)}, retries ${perSecond('retries_total')}/s, ` +
          `timeouts ${perSecond('timeouts_total')}/s, breaker ${(of('breaker_open') ?? 0) > 0 ? 'OPEN' : 'closed'}`,
      ],
    ],
    tables: [...endpointTable(now), ...workerTable(before, now, workers)],
  };
}

function growth(ceiling = 0): string {
  return ceiling === 0 ? '' : `, ${figure(ceiling)} at most`;
}

/** Since the start, as what is rare would be missed otherwise. */
function errorCodes(now: Scrape): string {
  const name = `${POOL}errors_total`;
  const counts = now
    .valuesOf(name, 'code')
    .map((code) => [code, now.sum(name, { code }) ?? 0] as const)
    .filter(([, count]) => count > 0)
    .sort(([, one], [, other]) => other - one)
    .slice(0, MOST_ERROR_CODES);
  if (counts.length === 0) return '';
  return ` (since the start: ${counts.map(([code, count]) => `${code} ${figure(count)}`).join(', ')})`;
}

function endpointTable(now: Scrape): Table[] {
  const name = `${POOL}endpoint_connections_open`;
  const rows = now.samples(name).map(({ labels }) => {
    const { endpoint = '', role = '' } = labels;
    const of = (what: string) => now.sum(`${POOL}endpoint_${what}`, { endpoint, role });
    return [
      endpoint,
      role,
      of('up') === 0 ? 'DOWN' : 'up',
      ...['connections_open', 'connections_in_use', 'commands_in_flight', 'waiters'].map((what) =>
        figure(of(what)),
      ),
    ];
  });
  const columns = ['server', 'role', 'state', 'open', 'in use', 'in flight', 'waiting'];
  return rows.length === 0 ? [] : [{ title: 'Servers', columns, rows: unique(rows) }];
}

/** Two pools at one server are one row, as its figures are sums. */
function unique(rows: readonly string[][]): string[][] {
  return [...new Map(rows.map((row) => [row.join(' '), row])).values()];
}

function workerTable(before: Scrape | undefined, now: Scrape, workers: readonly string[]): Table[] {
  const rows = workers.map((worker) => {
    const of = (what: string) => now.sum(`${WORKER}${POOL}${what}`, { worker });
    const name = `${WORKER}${POOL}commands_total`;
    return [
      worker,
      `${figure(of('utilization_percent'))} %`,
      ...['connections_in_use', 'connections_open', 'commands_in_flight', 'waiters'].map((what) =>
        figure(of(what)),
      ),
      figure(rate(before, now, name, { worker })),
    ];
  });
  const columns = ['worker', 'used', 'in use', 'open', 'in flight', 'waiting', 'commands/s'];
  return rows.length === 0 ? [] : [{ title: 'Workers', columns, rows }];
}
