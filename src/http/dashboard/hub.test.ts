import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LatencyHistogram } from '../../base/latency-histogram.js';
import { countsOf } from './durations.js';
import { DashboardHub } from './hub.js';
import type { DashboardMessage, StateMessage, Totals, WorkerReport } from './messages.js';

const NO_TOTALS: Totals = {
  ...{ commands: 0, leases: 0, errors: 0, timeouts: 0 },
  ...{ retries: 0, exhausted: 0, connectionErrors: 0, leaks: 0 },
};
const NO_COUNTS = countsOf(new LatencyHistogram());
const REPORT: WorkerReport = {
  atMs: 0,
  pid: 1,
  pool: 'main',
  address: 'redis:6379',
  state: 'ready',
  connections: { open: 2, inUse: 1, leased: 0, lanes: 2, connecting: 0, max: 40 },
  inFlight: 3,
  waiting: 0,
  oldestWaitMs: 0,
  primariesWithoutReplica: 0,
  totals: NO_TOTALS,
  commandsWithin: NO_COUNTS,
  waitsWithin: NO_COUNTS,
  endpoints: [],
  pictured: [],
  unpictured: 0,
  loopPercent: 10,
  events: [],
};
const busy = (inUse: number) => ({ ...REPORT.connections, inUse });

let hub: DashboardHub;

beforeEach(() => {
  vi.useFakeTimers();
  hub = new DashboardHub();
});

afterEach(() => {
  hub.stop();
  vi.useRealTimers();
});

function look(): StateMessage {
  const messages: DashboardMessage[] = [];
  hub.subscribe((message) => messages.push(message))();
  return messages[0] as StateMessage;
}

test('utilisation is of all connections there may be, and the worst state is the service', () => {
  hub.take('1', { ...REPORT, connections: busy(40) });
  hub.take('2', { ...REPORT, connections: busy(0), state: 'degraded' });
  const { frame } = look();
  expect(frame.utilizationPercent).toBe(50);
  expect(frame.workers.map(({ utilizationPercent }) => utilizationPercent)).toEqual([100, 0]);
  expect(frame).toMatchObject({ state: 'degraded', level: 'ok', inFlight: 6 });
});

test('percentiles and rates are of the work of all workers, whenever each has started', () => {
  const slow = new LatencyHistogram();
  slow.record(100, 50);
  const fast = new LatencyHistogram();
  fast.record(1, 50);
  for (const worker of ['1', '2']) hub.take(worker, REPORT);
  vi.advanceTimersByTime(500);
  const totals = { ...NO_TOTALS, commands: 50 };
  hub.take('1', { ...REPORT, totals, commandsWithin: countsOf(slow) });
  hub.take('2', { ...REPORT, totals, commandsWithin: countsOf(fast) });
  // A worker that comes late has worked before, but not now.
  hub.take('3', { ...REPORT, totals, commandsWithin: countsOf(slow) });
  const { commands, perSecond } = look().frame;
  expect(commands.count).toBe(100);
  expect(Math.abs(commands.p50 - 1)).toBeLessThan(0.16);
  expect(Math.abs(commands.p99 - 100)).toBeLessThan(16);
  expect(perSecond.commands).toBe(200);
});

test('a worker that falls silent is told of, then forgotten; one that ended is gone at once', () => {
  hub.take('1', REPORT);
  hub.take('2', REPORT);
  vi.advanceTimersByTime(2_500);
  hub.take('2', REPORT);
  const { frame } = look();
  expect(frame.workers.map(({ isSilent }) => isSilent)).toEqual([true, false]);
  expect(frame.advice.map(({ code }) => code)).toEqual(['WORKER_SILENT']);
  hub.remove('2');
  vi.advanceTimersByTime(14_000);
  expect(look().frame.workers).toEqual([]);
});

test('what went wrong is spoken of for five minutes', () => {
  hub.take('1', REPORT);
  hub.take('1', { ...REPORT, totals: { ...NO_TOTALS, exhausted: 2 } });
  const codes = () => look().frame.advice.map(({ code }) => code);
  expect(codes()).toEqual(['POOL_EXHAUSTED']);
  vi.advanceTimersByTime(5 * 60_000 + 1);
  hub.take('1', { ...REPORT, totals: { ...NO_TOTALS, exhausted: 2 } });
  expect(codes()).toEqual(['ALL_IS_WELL']);
});

test('each event comes to a page once, in what it begins with or in a frame', () => {
  const seen: string[] = [];
  const event = { atMs: 0, name: 'alert', severity: 'critical', count: 1 } as const;
  const tell = (text: string) => hub.take('1', { ...REPORT, events: [{ ...event, text }] });
  tell('before');
  vi.advanceTimersByTime(1_000);
  tell('at the same time');
  hub.subscribe(({ events }) => seen.push(...events.map(({ text }) => text)));
  tell('after');
  vi.advanceTimersByTime(1_500);
  expect(seen).toEqual(['The worker reports', 'before', 'at the same time', 'after']);
});

test('there are samples of ten minutes, one a second', () => {
  hub.take('1', REPORT);
  vi.advanceTimersByTime(700_000);
  const { timeMs } = look().samples;
  expect(timeMs).toHaveLength(600);
  expect(timeMs.at(-1)! - timeMs[0]!).toBe(599_000);
});
