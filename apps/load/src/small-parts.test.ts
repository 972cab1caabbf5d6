import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.js';
import { requestText } from './http/request-text.js';
import { parseHost } from './http/target.js';
import { readMetrics } from './metrics-poll.js';
import { seededRandom, weightedChoice } from './random.js';
import { RowStats, type RowSummary } from './stats/summary.js';
import { judge, parseThreshold } from './thresholds.js';
import { defineUser } from './user-class.js';

describe('durations', () => {
  it.each([
    ['300', 300_000],
    ['20s', 20_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1h1s', 3_601_000],
    ['1.5', 1500],
  ])('%s is read', (text, durationMs) => {
    expect(parseDuration(text)).toBe(durationMs);
  });

  it.each(['', 'x', '5x', '30m1h', '-5', '0', '1e9', '5 m', '25h'])("'%s' is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  it('are shown without the parts that are zero', () => {
    expect(formatDuration(5_403_000)).toBe('1 h 30 min 3 s');
    expect(formatDuration(0)).toBe('0 s');
  });
});

describe('thresholds', () => {
  const row = (name: string, p95: number, failures = 0): RowSummary => {
    const stats = new RowStats('GET', name);
    const latenciesUs = Uint32Array.from({ length: 100 }, () => p95 * 1000);
    stats.add({ latenciesUs, failures, bytes: 0 });
    return stats.summarize(10_000);
  };
  const rows = [row('/a', 100), row('/b', 900, 2)];
  const figures = { rows, aggregated: rows[0]!, exceptions: 3 };
  const nothing = { rows: [], aggregated: new RowStats('', '').summarize(1), exceptions: 0 };

  it.each([
    ['p95<500', true, 100],
    ['p95<=100', true, 100],
    ['p95<100', false, 100],
    ['rps>=10', true, 10],
    ['/b:p95<500', false, 900],
    ['GET /b:fail%<1', false, 2],
    ['/b:fail% <= 2', true, 2],
    ['/none:p95<500', false, null],
    ['exceptions<3', false, 3],
    ['exceptions<=3', true, 3],
  ])('%s', (text, passed, actual) => {
    const verdict = judge(parseThreshold(text), figures, undefined);
    expect(verdict.passed).toBe(passed);
    if (actual === null) expect(verdict.actual).toBeNull();
    else expect(verdict.actual).toBeCloseTo(actual, 3);
  });

  it.each([
    ['p95<500', figures, true, true],
    ['p95<500', { ...figures, aggregated: rows[1]! }, false, false],
    ['p95<500', nothing, false, false],
    ['/a:p95<500', nothing, true, null],
    ['exceptions<4', nothing, true, true],
  ])('%s is judged over the steady state too', (text, steady, passed, steadyPassed) => {
    const verdict = judge(parseThreshold(text), figures, steady);
    expect(verdict).toMatchObject({ passed, wholePassed: true, steadyPassed });
  });

  it.each(['p95', 'p42<1', 'p95=5', 'p95<x', '<5', '/a:exceptions<1'])(
    "'%s' is refused",
    (text) => {
      expect(() => parseThreshold(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_THRESHOLD' }),
      );
    },
  );
});

describe('chance', () => {
  it('is the same for the same seed and user, and another for others', () => {
    const draw = (seed: number, stream: number) => {
      const random = seededRandom(seed, stream);
      return Array.from({ length: 5 }, random);
    };
    expect(draw(1, 7)).toEqual(draw(1, 7));
    expect(draw(1, 7)).not.toEqual(draw(1, 8));
    expect(draw(1, 7)).not.toEqual(draw(2, 7));
  });

  it('follows the weights, over many users with few draws each', () => {
    const choose = weightedChoice([
      { name: 'a', weight: 80 },
      { name: 'b', weight: 15 },
      { name: 'c', weight: 5 },
    ]);
    const counts = { a: 0, b: 0, c: 0 };
    for (let user = 0; user < 10_000; user += 1) {
      const random = seededRandom(1, user);
      for (let draw = 0; draw < 4; draw += 1) counts[choose(random).name as 'a'] += 1;
    }
    expect(counts.a / 40_000).toBeCloseTo(0.8, 1.7);
    expect(counts.b / 40_000).toBeCloseTo(0.15, 1.7);
    expect(counts.c / 40_000).toBeCloseTo(0.05, 1.7);
  });
});

describe('requests', () => {
  const host = parseHost('http://127.0.0.1:8080/base/');

  it('are written with their body and its length', () => {
    const text = requestText(host, 'POST', '/a', { json: { name: 'ä' }, headers: { 'x-y': 'z' } });
    expect(text).toBe(
      'POST /base/a HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nx-y: z\r\n' +
        'content-type: application/json\r\ncontent-length: 13\r\n\r\n{"name":"ä"}',
    );
    expect(requestText(host, 'POST', '/a', { form: { token: 'a b' } })).toMatch(/token=a\+b$/);
    expect(requestText(host, 'POST', '/a', {})).toMatch(/content-length: 0\r\n\r\n$/);
    const text2 = requestText(host, 'PUT', '/a', { body: Uint8Array.of(0, 255) }, 'a=b');
    expect(text2.toString('latin1')).toMatch(/cookie: a=b\r\ncontent-length: 2\r\n\r\n\0\xff$/);
    const own = { json: 1, headers: { 'Content-Type': 'application/x', Cookie: 'c=d' } };
    const text3 = requestText(host, 'POST', '/a', own, 'a=b');
    expect(text3).not.toMatch(/application\/json|a=b/);
  });

  it.each([
    ['GET', '/a b', {}],
    ['GET', 'a', {}],
    ['get', '/', {}],
    ['GET', '/', { headers: { a: 'b\r\nc: d' } }],
    ['GET', '/', { headers: { 'a:': 'b' } }],
    ['POST', '/', { json: 1, body: 'x' }],
  ])(
    'are refused where they could become two or have two bodies: %s %s',
    (method, path, options) => {
      expect(() => requestText(host, method, path, options)).toThrow(TypeError);
    },
  );
});

it('metrics are read with and without labels', () => {
  const text = [
    '# TYPE redis_pool_utilization_percent gauge',
    'redis_pool_utilization_percent{pool="a } b",worker="1"} 12.5',
    'redis_pool_utilization_percent{pool="a",worker="2"} 40 1700000000000',
    'redis_pool_utilization_percent_other 99',
    'process_resident_memory_bytes 1000',
    'process_resident_memory_bytes{worker="2"} 2e3',
  ].join('\n');
  expect(readMetrics(text)).toEqual({ poolUtilizationPercent: 40, residentMemoryBytes: 3000 });
  expect(readMetrics('')).toEqual({ poolUtilizationPercent: null, residentMemoryBytes: null });
});

it.each([
  [{}, /needs a name/],
  [{ name: 'A', waitMs: 5, tasks: [] }, /waitMs must be a function/],
  [{ name: 'A', waitMs: () => 1, tasks: [] }, /at least one task/],
  [{ name: 'A', waitMs: () => 1, tasks: [{ name: 'x', weight: 0, run() {} }] }, /above 0/],
  [{ name: 'A', waitMs: () => 1, tasks: [{ name: 'x', weight: 1 }] }, /run is missing/],
])('a user class that can not work is refused: %j', (userClass, message) => {
  expect(() => defineUser(userClass as never)).toThrow(message);
});
