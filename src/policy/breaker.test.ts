import { describe, expect, it } from 'vitest';
import { PoolError, type PoolErrorCode } from '../errors.js';
import { Breaker, type ConnectFailure } from './breaker.js';

const impatient = { failures: 4, maxPauseMs: 512, patienceMs: 0 };
const patient = { ...impatient, patienceMs: 2_000 };

function failure(code: PoolErrorCode = 'CONNECT_FAILED', connectionsLeft = 0): ConnectFailure {
  return { error: new PoolError(code, code), connectionsLeft };
}

/** Chance at its top, so that pauses come out in full. */
const atMost = () => 1;

function failing(times: number, breaker = new Breaker(impatient, atMost)): Breaker {
  for (let i = 0; i < times; i += 1) breaker.recordFailure(failure(), 0);
  return breaker;
}

describe('Breaker', () => {
  it('stays closed below the limit and opens at it', () => {
    const breaker = failing(3);
    expect(breaker.isOpen).toBe(false);
    const last = failure();
    expect(breaker.recordFailure(last, 0)).toBe(true);
    expect(breaker.isOpen).toBe(true);
    expect(breaker.lastError).toBe(last.error);
  });

  it('says only once that it opened', () => {
    expect(failing(4).recordFailure(failure(), 0)).toBe(false);
  });

  it.each(['AUTH_FAILED', 'TLS_FAILED', 'PROTOCOL_ERROR', 'HANDSHAKE_FAILED'] as const)(
    'opens at once for %s, however patient: it would only repeat itself',
    (code) => {
      expect(new Breaker(patient, atMost).recordFailure(failure(code), 0)).toBe(true);
    },
  );

  it.each(['CONNECT_TIMEOUT', 'MAX_CLIENTS', 'SERVER_LOADING', 'CONNECT_FAILED'] as const)(
    'does not open for the first %s, which the next try may cure',
    (code) => {
      expect(new Breaker(impatient, atMost).recordFailure(failure(code), 0)).toBe(false);
    },
  );

  it('opens for the second time-out, as each takes long', () => {
    const breaker = new Breaker(impatient, atMost);
    expect(breaker.recordFailure(failure('CONNECT_TIMEOUT'), 0)).toBe(false);
    expect(breaker.recordFailure(failure('CONNECT_TIMEOUT'), 0)).toBe(true);
  });

  it('stays closed while a connection still serves, whatever fails', () => {
    const breaker = new Breaker(impatient, atMost);
    for (let i = 0; i < 10; i += 1) breaker.recordFailure(failure('AUTH_FAILED', 1), 0);
    expect(breaker.isOpen).toBe(false);
    expect(breaker.recordFailure(failure(), 0)).toBe(true);
  });

  it('waits out an outage that is shorter than its patience, however often a connect fails', () => {
    const breaker = new Breaker(patient, atMost);
    breaker.noteOutage(1_000);
    breaker.noteOutage(1_500);
    for (let now = 1_000; now < 3_000; now += 100) {
      expect(breaker.recordFailure(failure(), now)).toBe(false);
    }
    expect(breaker.recordFailure(failure(), 3_000)).toBe(true);
  });

  it('counts an outage from the first failure where no connection was ever there', () => {
    const breaker = new Breaker(patient, atMost);
    for (let now = 500; now < 2_500; now += 500) breaker.recordFailure(failure(), now);
    expect(breaker.isOpen).toBe(false);
    expect(breaker.recordFailure(failure(), 2_500)).toBe(true);
  });

  it('has new patience after a connect succeeded', () => {
    const breaker = new Breaker(patient, atMost);
    breaker.recordFailure(failure(), 0);
    breaker.recordSuccess();
    for (let i = 0; i < 5; i += 1) breaker.recordFailure(failure(), 10_000);
    expect(breaker.isOpen).toBe(false);
  });

  it('closes at the first success and counts from the start again', () => {
    const breaker = failing(4);
    expect(breaker.recordSuccess()).toBe(true);
    expect(breaker.isOpen).toBe(false);
    expect(breaker.lastError).toBeUndefined();
    expect(breaker.pauseMs()).toBe(0);
    expect(failing(3, breaker).isOpen).toBe(false);
    expect(breaker.recordSuccess()).toBe(false);
  });

  it('pauses 8, 32, 128 and then 512 ms', () => {
    const breaker = new Breaker(impatient, atMost);
    expect(breaker.pauseMs()).toBe(0);
    const pauses = [1, 2, 3, 4, 5, 6].map(() => failing(1, breaker).pauseMs());
    expect(pauses).toEqual([8, 32, 128, 512, 512, 512]);
    expect(failing(2_000, breaker).pauseMs()).toBe(512);
  });

  it('offers a refused password ever more rarely, up to once a minute', () => {
    const breaker = new Breaker(impatient, atMost);
    const pauses = Array.from({ length: 9 }, () => {
      breaker.recordFailure(failure('AUTH_FAILED'), 0);
      return breaker.pauseMs();
    });
    expect(pauses).toEqual([8, 32, 128, 512, 2_048, 8_192, 32_768, 60_000, 60_000]);
  });

  it('does not pause beyond the end of its patience, when callers are to be told', () => {
    const breaker = new Breaker({ ...patient, maxPauseMs: 10_000 }, atMost);
    const pauses = [0, 8, 40, 168, 680].map((now) => {
      breaker.recordFailure(failure(), now);
      return breaker.pauseMs();
    });
    expect(pauses).toEqual([8, 32, 128, 512, 2_000 - 680]);
    breaker.recordFailure(failure(), 2_000);
    expect(breaker.pauseMs()).toBe(8_192);
  });

  it('takes at least half of a pause, and keeps to it until the next failure', () => {
    const draws = [0, 0.5];
    const breaker = new Breaker(impatient, () => draws.shift() ?? 1);
    failing(1, breaker);
    expect([breaker.pauseMs(), breaker.pauseMs()]).toEqual([4, 4]);
    expect(failing(1, breaker).pauseMs()).toBe(24);
  });

  it('pauses as a strategy says, which is told how often it failed before and why', () => {
    const asked: unknown[] = [];
    const breaker = new Breaker(impatient, atMost, (retries, cause) => {
      asked.push([retries, cause.message]);
      return retries * 30;
    });
    const pauses = [1, 2, 3].map(() => {
      breaker.recordFailure(failure(), 0);
      return breaker.pauseMs();
    });
    expect(pauses).toEqual([1, 30, 60]);
    expect(asked[2]).toEqual([2, 'CONNECT_FAILED']);
    expect(failing(2, new Breaker(impatient, atMost, 70)).pauseMs()).toBe(70);
  });

  it('tells who waits at once where a strategy gives up, with its error', () => {
    const enough = new Error('enough');
    for (const give of [
      () => enough,
      () => {
        throw enough;
      },
    ]) {
      const breaker = new Breaker(patient, atMost, give);
      expect(breaker.recordFailure(failure(), 0)).toBe(true);
      expect([breaker.lastError, breaker.pauseMs()]).toEqual([enough, 8]);
    }
    const breaker = new Breaker(patient, atMost, () => false);
    expect(breaker.recordFailure(failure(), 0)).toBe(true);
    expect(breaker.lastError).toBeInstanceOf(PoolError);
  });
});
