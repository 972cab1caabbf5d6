import { describe, expect, it } from 'vitest';
import {
  checkoutCapacity,
  connectionsPerWorker,
  PRESETS,
  shareOfTotal,
  sizeByFormula,
} from './sizing.js';

describe('presets', () => {
  it('are the figures of the sizing table', () => {
    const rows = Object.entries(PRESETS).map(([name, preset]) => [name, ...Object.values(preset)]);
    expect(rows).toEqual([
      ['development', 1, 20, 20, 100],
      ['staging', 2, 60, 30, 1_000],
      ['production', 4, 160, 40, 10_000],
    ]);
  });

  it('cannot be changed by accident', () => {
    expect(Object.isFrozen(PRESETS)).toBe(true);
    expect(Object.values(PRESETS).every(Object.isFrozen)).toBe(true);
  });
});

describe('sizeByFormula', () => {
  it('gives four workers 60 base and 100 more for high concurrency', () => {
    expect(sizeByFormula(4)).toEqual({ base: 60, highConcurrency: 100, total: 160 });
  });

  it('agrees with the production preset', () => {
    expect(sizeByFormula(PRESETS.production.workers).total).toBe(PRESETS.production.connections);
  });
});

describe('shareOfTotal', () => {
  it('rounds down, so that the workers together stay below the total', () => {
    expect(shareOfTotal(100, 3)).toBe(33);
    expect(shareOfTotal(160, 4)).toBe(40);
  });

  it('leaves no worker without a connection', () => {
    expect(shareOfTotal(3, 4)).toBe(1);
  });
});

describe('connectionsPerWorker', () => {
  it('takes the share of an explicit total before anything else', () => {
    expect(connectionsPerWorker({ environment: 'production', workers: 4, total: 100 })).toBe(25);
  });

  it('takes the preset where its number of workers runs', () => {
    expect(connectionsPerWorker({ environment: 'development', workers: 1 })).toBe(20);
    expect(connectionsPerWorker({ environment: 'staging', workers: 2 })).toBe(30);
    expect(connectionsPerWorker({ environment: 'production', workers: 4 })).toBe(40);
  });

  it('takes the formula, 40 a worker, for any other number of workers', () => {
    expect(connectionsPerWorker({ environment: 'development', workers: 2 })).toBe(40);
    expect(connectionsPerWorker({ environment: 'production', workers: 7 })).toBe(40);
  });
});

describe('checkoutCapacity', () => {
  const production = { workers: 4, connectionsPerWorker: 40, users: 10_000 };

  it('carries 10 requests/s a connection, 400 a worker and 1,600 in all', () => {
    const capacity = checkoutCapacity(production);
    expect(capacity.perConnection).toBe(10);
    expect(capacity.perWorker).toBe(400);
    expect(capacity.total).toBe(1_600);
  });

  it('leaves a margin of 60 % above the 1,000 requests/s of 10,000 users', () => {
    const capacity = checkoutCapacity(production);
    expect(capacity.required).toBe(1_000);
    expect(capacity.safetyMargin).toBeCloseTo(0.6, 12);
    expect(capacity.usersPerConnection).toBe(62.5);
  });

  it('shows a pool that is too small by a negative margin', () => {
    const capacity = checkoutCapacity({ ...production, workers: 1 });
    expect(capacity.safetyMargin).toBeCloseTo(-0.6, 12);
  });

  it('follows other times, calls and intervals', () => {
    const capacity = checkoutCapacity({
      ...production,
      requestMs: 25,
      callsPerRequest: 1,
      userIntervalSeconds: 5,
    });
    expect(capacity).toMatchObject({ perConnection: 40, total: 6_400, required: 2_000 });
  });
});
