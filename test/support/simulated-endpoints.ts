// Several endpoints on simulated connections, for tests of which of them is used when.

import { PoolError } from '../../src/errors.js';
import type { FailoverOptions } from '../../src/policy/failback.js';
import { EndpointsTopology } from '../../src/topology/endpoints/endpoints.js';
import type { FailoverEvent } from '../../src/topology/failover.js';
import { SingleTopology } from '../../src/topology/single.js';
import type { LeaveTerms, Topology } from '../../src/topology/topology.js';
import { SimulatedSource, settle, simulatedClock } from './simulated-connection.js';

/** The defaults, but for the policy: checks that fail are shorter. */
export const OPTIONS: FailoverOptions = {
  checkIntervalMs: 5_000,
  checkTimeoutMs: 1_000,
  probes: 3,
  probePauseMs: 500,
  policy: 'all',
  patienceMs: 1_000,
  graceMs: 60_000,
  failbackIntervalMs: 120_000,
  drainMs: 1_000,
};
export const REFUSED = new PoolError('CONNECT_FAILED', 'refused', { sent: false });
/** Longer than a check takes that succeeds. */
export const CHECK_MS = 1_100;

/** A server that answers, is away (refuses), or is silent. */
export class Server {
  readonly source = new SimulatedSource();
  readonly topology = new SingleTopology(this.source);

  constructor() {
    this.answer();
  }

  answer(reply: unknown = 'PONG'): void {
    this.source.onDial = 'accept';
    this.source.answer = () => reply;
  }

  die(): void {
    this.source.onDial = REFUSED;
    for (const connection of this.source.open) connection.lose();
  }

  fallSilent(): void {
    this.source.onDial = 'hold';
    this.source.answer = () => undefined;
  }
}

/** Three, of which `a` has the highest weight and `c` the lowest; their first checks have ended. */
export async function openEndpoints(
  options: Partial<FailoverOptions> = {},
  weights: Record<string, number> = {},
) {
  const servers = { a: new Server(), b: new Server(), c: new Server() };
  const { a, b, c } = servers;
  const members = [
    { id: 'a', weight: weights.a ?? 3, topology: a.topology as Topology },
    { id: 'b', weight: weights.b ?? 2, topology: b.topology },
    { id: 'c', weight: weights.c ?? 1, topology: c.topology },
  ];
  const topology = new EndpointsTopology(members, { ...OPTIONS, ...options }, simulatedClock);
  const changes: (LeaveTerms | undefined)[] = [];
  const events: string[] = [];
  topology.onEvent = (event) => events.push(textOf(event));
  const failedLooks: Error[] = [];
  topology.start({
    onChange: (terms) => changes.push(terms),
    onLookFailed: (error) => failedLooks.push(error),
  });
  await settle(CHECK_MS);
  const current = () => topology.route(undefined)?.site;
  /** As a pool reports it that has no connection left. */
  const lose = (downForMs: number | undefined) => {
    const endpoint = topology.route(undefined);
    if (endpoint !== undefined) topology.report({ kind: 'unreachable', endpoint, downForMs });
  };
  const stateOf = (id: string) => topology.status().endpoints.find((each) => each.id === id)?.state;
  return { ...servers, topology, changes, events, failedLooks, current, lose, stateOf };
}

function textOf({ name, facts }: FailoverEvent): string {
  if (name === 'endpointsDown') return `endpointsDown (${facts.reason})`;
  return `${facts.from} -> ${facts.to} (${facts.reason})`;
}
