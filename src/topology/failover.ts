// What a topology of several endpoints, of which one is used at a time, tells and lets be asked.

import type { EndpointState } from '../policy/failback.js';

/**
 * Why another endpoint is used: the health check of the one before failed, no connection to it could
 * be made (`breaker`), a better one is healthy again, or `switchTo()` said so.
 */
export type SwitchReason = 'health-check' | 'breaker' | 'failback' | 'manual';

export interface FailoverEvents {
  /** Another endpoint is used from now on, of those of the option `endpoints`. */
  failover: [{ readonly from: string; readonly to: string; readonly reason: SwitchReason }];
  /** No endpoint answers: callers are refused soon, and all endpoints are asked until one does. */
  endpointsDown: [
    { readonly endpoints: readonly string[]; readonly reason: SwitchReason; readonly error: Error },
  ];
}

export type FailoverEvent = {
  [Name in keyof FailoverEvents]: { readonly name: Name; readonly facts: FailoverEvents[Name][0] };
}[keyof FailoverEvents];

/** One of the endpoints of the option `endpoints`. */
export interface FailoverEndpoint {
  readonly id: string;
  /** What it is connected to; no secret. */
  readonly address: string;
  readonly weight: number;
  readonly isActive: boolean;
  /** `grace`: it was left as it failed, and is not used for a while, though it is healthy. */
  readonly state: EndpointState;
}

export interface FailoverStatus {
  /** The id of the endpoint in use; `undefined`: none answers. */
  readonly active: string | undefined;
  readonly endpoints: readonly FailoverEndpoint[];
  /** How often another endpoint was taken, by reason. */
  readonly switches: Readonly<Record<SwitchReason, number>>;
  readonly lastSwitch:
    | {
        readonly from: string;
        readonly to: string;
        readonly reason: SwitchReason;
        /** How long ago, ms. */
        readonly agoMs: number;
      }
    | undefined;
}

export interface SwitchOptions {
  /** Without asking whether the endpoint answers. Default false. */
  readonly force?: boolean;
  /**
   * How long no better endpoint is gone back to, ms; with `force`, how long it is kept although it
   * may not answer. Default: until it fails, or the next `switchTo()`.
   */
  readonly forMs?: number;
}

/** Choosing among the endpoints. */
export interface Failover {
  /** Set by the pool: told what happened, once it is in force. */
  onEvent: ((event: FailoverEvent) => void) | undefined;
  /** @param id One of the endpoints. @throws PoolError INVALID_ARGUMENT, CONNECT_FAILED. */
  switchTo(id: string, options: SwitchOptions): Promise<void>;
  status(): FailoverStatus;
}
