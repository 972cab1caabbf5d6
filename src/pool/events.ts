// What a pool tells those who listen. Each event has one object with the facts; none of them holds
// a key, a value or a password. Nothing is computed for an event that nobody listens to.

import type { PoolWarning } from '../config/options.js';
import type { NodeEvents } from '../node/events.js';
import type { FailoverEvents } from '../topology/failover.js';
import type { AutoscaleDecision } from './growth.js';
import type { EndpointFacts } from './router.js';

export interface PoolEvents extends NodeEvents, FailoverEvents {
  /** Utilisation rose above 80 %. */
  alert: [{ readonly utilizationPercent: number }];
  /** Utilisation fell below 70 % after an `alert`. */
  alertCleared: [{ readonly utilizationPercent: number }];
  /** With the option `autoscale`: the maximum has changed, or should have and could not. */
  autoscale: [AutoscaleDecision];
  /**
   * Something in the configuration has no effect: once each, in the turn after construction. Or it
   * does not fit the server: once.
   */
  warning: [PoolWarning];
  /** The servers of a cluster, or what they serve, changed; at first when they are known. */
  topologyChange: [{ readonly endpoints: readonly EndpointFacts[] }];
  /**
   * In the background no node of the cluster, no sentinel or one of several endpoints could be asked:
   * once, until that succeeds. What is known goes on.
   */
  topologyError: [Error];
  /** `close()` has finished. */
  close: [];
}
