import { expect, it } from 'vitest';
import type { GeneratorWindow } from '../generator/protocol.js';
import { seededRandom } from '../random.js';
import { exceptionsCsv, failuresCsv, historyCsv, historyHeading, statsCsv } from '../report/csv.js';
import { Ledger } from './ledger.js';

const STEADY = {
  type: 'window',
  users: 5,
  steady: true,
  afterSteady: false,
  revision: 0,
  backlog: 0,
  aborted: 0,
  unfinished: 0,
} as const;

function windowOf(second: number, latenciesUs: number[], failures = 0): GeneratorWindow {
  const row = {
    method: 'GET',
    name: '/a',
    latenciesUs: Uint32Array.from(latenciesUs),
    late: false,
  };
  return {
    ...STEADY,
    reconnects: 0,
    startMs: second * 1000,
    endMs: second * 1000 + 1000,
    health: { cpuPercent: 10, loopLagP99Ms: 1, loopLagMaxMs: 2, memoryBytes: 1 },
    rows: [{ ...row, failures, bytes: 10 * latenciesUs.length }],
    failures: failures > 0 ? [{ method: 'GET', name: '/a', error: 'no', count: failures }] : [],
    exceptions: [],
  };
}

it('two processes make the same histogram as one, within three digits of the true values', () => {
  const random = seededRandom(42);
  const all = Array.from({ length: 20_000 }, () => Math.floor(200 * Math.exp(8 * random())));
  const [one, two] = [new Ledger(0, 1), new Ledger(0, 2)];
  one.add(0, windowOf(0, all));
  two.add(
    0,
    windowOf(
      0,
      all.filter((_, index) => index % 3 === 0),
    ),
  );
  two.add(
    1,
    windowOf(
      0,
      all.filter((_, index) => index % 3 !== 0),
    ),
  );
  const merged = two.totals(1000).aggregated;
  expect(merged).toEqual(one.totals(1000).aggregated);
  const sorted = all.sort((left, right) => left - right);
  for (const [key, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
    ['p99', 0.99],
  ] as const) {
    const trueMs = sorted[Math.ceil(share * sorted.length) - 1]! / 1000;
    expect(Math.abs(merged[key] - trueMs) / trueMs).toBeLessThan(0.002);
  }
  expect(merged.max).toBe(sorted.at(-1)! / 1000);
});

it('history slides over ten seconds, totals grow', () => {
  const ledger = new Ledger(0, 1);
  const history = Array.from({ length: 12 }, (_, second) => {
    ledger.add(0, windowOf(second, [second < 2 ? 900_000 : 1000, 1000]));
    return ledger.closeSecond(second * 1000 + 1000)[0]!;
  });
  expect(history[9]!.sliding.max).toBe(900);
  expect(history[11]!.sliding.max, 'the slow seconds have left').toBe(1);
  expect(history[11]!.sliding.rps).toBeCloseTo(2, 3);
  expect(history[11]!.total).toMatchObject({ count: 24, max: 900 });
});

it('the steady state needs all processes', () => {
  const ledger = new Ledger(0, 2);
  ledger.add(0, windowOf(0, [1]));
  expect(ledger.steady()).toBeUndefined();
  ledger.add(1, windowOf(0, [1]));
  expect(ledger.steady()?.aggregated.count).toBe(1);
});

it('what began in the steady state and ended after it counts for it, but not for its rates', () => {
  const ledger = new Ledger(0, 1);
  ledger.add(0, windowOf(0, [1000, 1000]));
  const end = windowOf(1, [1_900_000], 1);
  const [cutOff] = end.rows;
  const late = { ...cutOff!, name: '/late' };
  const rows = [cutOff!, { ...late, late: true }];
  const exceptions = [{ message: 'no', traceback: '', count: 3 }];
  ledger.add(0, { ...end, steady: false, afterSteady: true, rows, exceptions });
  const { aggregated, durationMs, exceptions: thrown, ...steady } = ledger.steady()!;
  expect(aggregated).toMatchObject({ count: 3, failures: 1, max: 1900, rps: 2, failuresPerS: 0 });
  expect(steady.rows.map((row) => row.name)).toEqual(['/a']);
  expect({ durationMs, thrown }).toEqual({ durationMs: 1000, thrown: 3 });
  expect(ledger.totals(2000).aggregated).toMatchObject({ count: 4, failures: 2 });
});

it('a change of the number of users begins the steady state anew, once the processes have it', () => {
  const ledger = new Ledger(0, 1);
  ledger.add(0, windowOf(0, [900_000]));
  ledger.change();
  expect(ledger.steady()).toBeUndefined();
  ledger.add(0, windowOf(1, [900_000]));
  expect(ledger.steady(), 'on its way when the users were changed').toBeUndefined();
  ledger.add(0, { ...windowOf(2, [1000]), revision: 1, steady: false });
  ledger.add(0, { ...windowOf(3, [1000, 2000]), revision: 1 });
  expect(ledger.steady()).toMatchObject({ startMs: 3000, durationMs: 1000 });
  expect(ledger.steady()?.aggregated).toMatchObject({ count: 2, max: 2 });
  expect(ledger.totals(4000).aggregated.count).toBe(5);
});

it('errors beyond the number that is told apart are counted as others', () => {
  const ledger = new Ledger(0, 1);
  const window = windowOf(0, [1]);
  for (let second = 0; second < 12; second += 1) {
    const texts = Array.from({ length: 100 }, (_, index) => `id ${100 * second + index}`);
    const failures = texts.map((error) => ({ method: 'GET', name: '/a', error, count: 1 }));
    const exceptions = texts.map((message) => ({ message, traceback: '', count: 1 }));
    ledger.add(0, { ...window, failures, exceptions });
  }
  const [failure] = ledger.failures();
  const [exception] = ledger.exceptions();
  expect(failure).toMatchObject({ error: '(other errors)', occurrences: 200 });
  expect(exception).toMatchObject({ message: '(other errors)', count: 200 });
});

it("the CSV files have locust's columns", () => {
  const ledger = new Ledger(0, 1);
  ledger.add(0, windowOf(0, [10_400, 20_600], 1));
  const history = ledger.closeSecond(1000);
  const percentiles = '50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%';
  expect(statsCsv(ledger.totals(1000)).split('\r\n')).toEqual([
    'Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,' +
      'Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,' +
      percentiles,
    'GET,/a,2,1,10,15.5,10.4,20.6,10,2,1,10,21,21,21,21,21,21,21,21,21,21',
    ',Aggregated,2,1,10,15.5,10.4,20.6,10,2,1,10,21,21,21,21,21,21,21,21,21,21',
    '',
  ]);
  expect((historyHeading() + historyCsv(history)).split('\r\n')).toEqual([
    `Timestamp,User Count,Type,Name,Requests/s,Failures/s,${percentiles},Total Request Count,` +
      'Total Failure Count,Total Median Response Time,Total Average Response Time,' +
      'Total Min Response Time,Total Max Response Time,Total Average Content Size',
    '1,5,,Aggregated,2.000000,1.000000,10,21,21,21,21,21,21,21,21,21,21,2,1,10,15.5,10.4,20.6,10',
    '',
  ]);
  expect(failuresCsv(ledger.failures())).toBe('Method,Name,Error,Occurrences\r\nGET,/a,no,1\r\n');
  const exception = { message: 'a "b", c', traceback: 'x\ny', count: 2, processes: [0, 1] };
  expect(exceptionsCsv([exception])).toBe(
    'Count,Message,Traceback,Nodes\r\n2,"a ""b"", c","x\ny","generator 1, generator 2"\r\n',
  );
});
