// What a pool tells those who listen. Each event has one object with the facts; none of them holds
// a key, a value or a password. Nothing is computed for an event that nobody listens to.

import type { PoolWarning } from '../config/options.js';
import type { PoolError } from '../errors.js';
import type { EvictionReason } from './entry.js';

export interface PoolEvents {
  /** A connection is ready. */
  open: [{ readonly connectionId: number }];
  /** A connection left the pool. `error` where one was the cause. */
  evict: [
    {
      readonly connectionId: number;
      readonly reason: EvictionReason;
      readonly error: Error | undefined;
    },
  ];
  /** A caller has to wait although all `maxConnections` are open; once until nobody waits. */
  exhausted: [{ readonly maxConnections: number; readonly waiting: number }];
  /** Utilisation rose above 80 %. */
  alert: [{ readonly utilizationPercent: number }];
  /** Utilisation fell below 70 % after an `alert`. */
  alertCleared: [{ readonly utilizationPercent: number }];
  /** A lease is held longer than `leakThresholdMs`. `stack` is of the code that took it. */
  leak: [
    {
      readonly connectionId: number;
      readonly heldMs: number;
      readonly stack: string | undefined;
    },
  ];
  /** Something in the configuration has no effect; once each, in the turn after construction. */
  warning: [PoolWarning];
  /** A connection could not be made. */
  connectError: [PoolError];
  /** No connection is left and connecting fails: callers are failed at once from now on. */
  breakerOpen: [PoolError];
  /** A connection could be made again. */
  breakerClose: [];
  /** `close()` has finished. */
  close: [];
}
