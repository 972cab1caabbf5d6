// What the connections of a server have to tell, for those who listen to the pool.

import type { PoolError } from '../errors.js';
import type { EvictionReason } from './entry.js';

export interface NodeEvents {
  /** A connection is ready. */
  open: [{ readonly connectionId: number; readonly address: string }];
  /** A connection left the pool. `error` where one was the cause. */
  evict: [
    {
      readonly connectionId: number;
      readonly address: string;
      readonly reason: EvictionReason;
      readonly error: Error | undefined;
    },
  ];
  /** A caller has to wait although all `maxConnections` are open; once until nobody waits. */
  exhausted: [{ readonly maxConnections: number; readonly waiting: number }];
  /** A lease is held longer than `leakThresholdMs`. `stack` is of the code that took it. */
  leak: [
    {
      readonly connectionId: number;
      readonly heldMs: number;
      readonly stack: string | undefined;
    },
  ];
  /** A connection could not be made. */
  connectError: [PoolError];
  /** No connection is left and connecting fails: callers are failed at once from now on. */
  breakerOpen: [PoolError];
  /** A connection could be made again. */
  breakerClose: [];
}
