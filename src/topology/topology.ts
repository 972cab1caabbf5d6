// Which servers there are, and which of them serves what. A topology looks and tells; the pool
// above it has the connections.

import type { Endpoint } from '../base/endpoint.js';
import type { CommandRoute } from '../base/route.js';
import type { Failover } from './failover.js';

export type { Endpoint };

/** What those who use the servers noticed. */
export type TopologyFact =
  /** A server says that a slot is another's by now; `to` as the server wrote it, `host:port`. */
  | { readonly kind: 'moved'; readonly from: Endpoint; readonly slot: number; readonly to: string }
  /** A connection was lost or could not be made, or a server says that the cluster is down. */
  | {
      readonly kind: 'unreachable';
      readonly endpoint: Endpoint;
      /** Since when no connection to it is there, ms; `undefined`: one is, or may be. */
      readonly downForMs?: number | undefined;
    }
  /** A server that was a primary says that it is none any more. */
  | { readonly kind: 'demoted'; readonly endpoint: Endpoint };

/** Slots from the first to the last of them. */
export type SlotSpan = readonly [first: number, last: number];

/** How endpoints are left that came out of use. */
export interface LeaveTerms {
  /**
   * How long what is in flight there may take to be answered, ms: others have taken over, so that
   * what blocks there is to go on with them.
   */
  readonly drainMs: number;
}

export interface TopologyOwner {
  /**
   * Endpoints came or went, or serve other slots than before.
   * @param terms Default: what is in flight or lent at those that went takes as long as it takes.
   */
  onChange(terms?: LeaveTerms): void;
  /**
   * Looking at the servers has failed where nobody waited for it; once, until it succeeds. What is
   * known goes on, and looking too.
   */
  onLookFailed?(error: Error): void;
}

export interface Topology {
  /** What is connected to, for messages. No secret. */
  readonly address: string;
  /** There is one endpoint, the same for ever. */
  readonly isSingle?: true;
  /** Whether keys decide where a command runs: only then do commands have routes by slot. */
  readonly isSharded: boolean;
  /** Whether reads may be others' than the primary's where keys decide nothing: see `Access`. */
  readonly hasReaders?: boolean;
  /** All that are in use; empty until the first look. */
  readonly endpoints: readonly Endpoint[];
  /** Of how many primaries no replica is known; `undefined`: replicas are not looked for. */
  readonly primariesWithoutReplica?: number | undefined;
  /** Where keys decide: the slots that an endpoint serves, in ascending order. Cheap. */
  slotsOf?(endpoint: Endpoint): readonly SlotSpan[];
  start(owner: TopologyOwner): void;
  /** Who serves it now; `undefined`: nobody is known to. `route` is `undefined` where all may. */
  route(route: CommandRoute | undefined): Endpoint | undefined;
  /**
   * The endpoint at an address that a server has named, which may be new. For ASK, which changes no
   * view. `undefined`: the address means nothing.
   */
  endpointAt(address: string, from: Endpoint): Endpoint | undefined;
  report(fact: TopologyFact): void;
  /** Looks once, now: rejects where nobody could be asked. Several callers share one look. */
  look(): Promise<void>;
  /** Where one of several databases is used at a time. */
  readonly failover?: Failover | undefined;
  /** Ends what it does beside the connections, for good. */
  stop(): void;
}
