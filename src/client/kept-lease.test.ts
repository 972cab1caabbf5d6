// A kept lease whose connection is to be replaced, when no other can be had at once.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openSimulatedPool } from '../../test/support/simulated-connection.js';
import { systemClock } from '../base/clock.js';
import { PoolError } from '../errors.js';
import type { EvictionReason } from '../node/entry.js';
import type { ConnectionLease } from '../node/lease.js';
import { KeptLease } from './kept-lease.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const noServer = () => Promise.reject(new PoolError('BREAKER_OPEN', 'no server to ask'));

/** A kept lease of a pool that is out of reach whenever `isAway` is set. */
async function keep() {
  const { pool } = await openSimulatedPool({ maxConnections: 4 });
  const granted: ConnectionLease[] = [];
  const rig = {
    isAway: false,
    granted,
    /** Done to the next lease before its keeper has it. */
    spoil: (_lease: ConnectionLease): void => undefined,
  };
  const kept = new KeptLease(
    {
      clock: systemClock,
      keepsAlive: false,
      healthCheckIntervalMs: 60_000,
      probeTimeoutMs: 1_000,
      acquireLease: async (terms) => {
        if (rig.isAway) return noServer();
        const lease = await pool.acquireLease(terms);
        rig.spoil(lease);
        granted.push(lease);
        return lease;
      },
    },
    {
      isNeeded: true,
      onConnected() {},
      deliver: () => false,
      onLost() {},
      onConnectFailed() {},
      onTrouble() {},
    },
  );
  kept.connect();
  await vi.advanceTimersByTimeAsync(0);
  return rig;
}

function spoil(lease: ConnectionLease | undefined, reason: EvictionReason): void {
  if (lease === undefined) return;
  lease.entry.staleReason = reason;
  lease.onStale?.();
}

test.each([
  { reason: 'failover', afterMs: 2_000 },
  { reason: 'lifetime', afterMs: 40_000 },
] as const)(
  'one that is stale by $reason is replaced within $afterMs ms of the pool’s return',
  async ({ reason, afterMs }) => {
    const rig = await keep();
    rig.isAway = true;
    spoil(rig.granted[0], reason);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(rig.granted).toHaveLength(1);
    rig.isAway = false;
    await vi.advanceTimersByTimeAsync(afterMs);
    expect(rig.granted).toHaveLength(2);
  },
);

test('one that led to the wrong server before it was there is replaced', async () => {
  const rig = await keep();
  rig.spoil = (lease) => {
    rig.spoil = () => undefined;
    spoil(lease, 'failover');
  };
  spoil(rig.granted[0], 'failover');
  await vi.advanceTimersByTimeAsync(200);
  expect(rig.granted).toHaveLength(3);
});
