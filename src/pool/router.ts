// Which node a command goes to. There is one NodePool for each endpoint that the topology knows;
// with a single server that is all there is to ask. Where several serve, the route of a command
// says which: by the slot of its keys. When the view changes, who waits at a server that does not
// serve him any more moves to the one that does.
//
//   route --> topology --> endpoint --> NodePool
//                |nobody is known
//                v
//              lobby: waits as at any node, bounded and with deadlines; "dialing" there is a look
//              at the servers, and ends with its callers on their way

import type { Command, Redirect } from '../base/command.js';
import { newHistory } from '../base/command.js';
import type { Endpoint } from '../base/endpoint.js';
import type { ConnectionSource } from '../base/link.js';
import { type CommandRoute, HERE } from '../base/route.js';
import type { ResolvedOptions } from '../config/options.js';
import { PoolError } from '../errors.js';
import type { NodePool } from '../node/node-pool.js';
import type { LeaveTerms, Topology } from '../topology/topology.js';

/** Servers that send a command to and fro for longer than this don't agree. */
const MAX_REDIRECTS = 16;
/** The first MOVED is followed at once; before each further one is a pause that doubles, ms. */
const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 512;

export interface EndpointFacts {
  readonly address: string;
  readonly role: 'primary' | 'replica';
}

export interface RouterOwner {
  createNode(endpoint: Endpoint): NodePool;
  /** For what connects nowhere: callers wait there until somebody serves them. */
  createLobby(endpoint: Endpoint): NodePool;
  /** Sends a command, which may be new to its node. */
  dispatch(command: Command): void;
  /** The same after a pause. */
  dispatchLater(command: Command, pauseMs: number): void;
  /** Endpoints came or went, or serve other slots than before. */
  onChange(endpoints: readonly EndpointFacts[]): void;
  onLookFailed(error: Error): void;
  /** For deadlines. */
  now(): number;
}

export class Router {
  readonly topology: Topology;
  readonly #owner: RouterOwner;
  readonly #nodes = new Map<string, NodePool>();
  /** They serve nobody any more, and end when what they have under way is done, or at that time. */
  readonly #leaving = new Map<NodePool, number>();
  /** The only node of a pool with one server. */
  readonly #single: NodePool | undefined;
  readonly #lobby: NodePool | undefined;
  #only: NodePool | undefined;

  constructor(topology: Topology, owner: RouterOwner) {
    this.topology = topology;
    this.#owner = owner;
    this.#single = topology.isSingle === true ? this.#openSingle() : undefined;
    this.#lobby = topology.isSingle === true ? undefined : owner.createLobby(this.#lobbyEndpoint());
    this.#only = this.#single;
  }

  /** All that have connections or callers. */
  get nodes(): readonly NodePool[] {
    if (this.#single !== undefined) return [this.#single];
    return [...this.#nodes.values(), ...this.#leaving.keys(), this.#lobby as NodePool];
  }

  /** Those that the topology knows. */
  get serving(): readonly NodePool[] {
    return [...this.#nodes.values()];
  }

  /** Where callers are, or would be: the servers, and before any is known the lobby. */
  get places(): readonly NodePool[] {
    return this.#nodes.size > 0 ? this.serving : [this.#lobby as NodePool];
  }

  /** What was left has something under way, which has to end. */
  get isLeaving(): boolean {
    return this.#leaving.size > 0;
  }

  start(): void {
    this.topology.start({
      onChange: (terms) => this.#onChange(terms),
      onLookFailed: (error) => this.#owner.onLookFailed(error),
    });
    this.#onChange();
  }

  /** The only node that there is to choose just now; asked for each command, before its route is. */
  get only(): NodePool | undefined {
    return this.#only;
  }

  /** Where a command or a lease with that route is to wait and run. */
  nodeFor(route: CommandRoute | undefined): NodePool {
    return this.#only ?? this.#nodeOf(route) ?? (this.#lobby as NodePool);
  }

  /**
   * A server has sent a command away, which did not run there. Sends it where it belongs.
   * @returns False where the error has to be its caller's answer.
   */
  follow(node: NodePool, command: Command, redirect: Redirect, now: number): boolean {
    // Who asked one server alone is not answered by another one.
    const isBound = command.route?.endpointId !== undefined;
    if (!this.topology.isSharded || isBound || command.settled) return false;
    command.history ??= newHistory();
    const { history } = command;
    history.since ??= now;
    if (history.redirects === MAX_REDIRECTS) return false;
    history.redirects++;
    command.replies = undefined;
    const asked = this.#learn(node, redirect);
    // Who is asked takes it, or says MOVED: so MOVED alone can go round in circles.
    const pauseMs = asked === undefined ? pauseBefore(history.redirects) : 0;
    if (now + pauseMs >= command.deadlineAt) return false;
    if (asked !== undefined) this.#sendAsking(asked, command);
    else if (pauseMs > 0) this.#owner.dispatchLater(command, pauseMs);
    else this.#owner.dispatch(command);
    return true;
  }

  /** The same for what blocks, of which the caller takes care. @returns Where it belongs. */
  nodeAfter(node: NodePool, command: Command, redirect: Redirect): NodePool {
    command.history ??= newHistory();
    command.history.redirects++;
    if (command.history.redirects > MAX_REDIRECTS) throw tooManyRedirects(command.name);
    const asked = this.#learn(node, redirect);
    command.history.isAsking = asked !== undefined;
    return asked ?? this.nodeFor(command.route);
  }

  /** It is for one server alone, which is there no more: nobody else will ever serve it. */
  isGone(route: CommandRoute | undefined): boolean {
    return route?.endpointId !== undefined && !this.#nodes.has(route.endpointId);
  }

  /** Ends all nodes, for good. */
  stop(error: Error): void {
    this.topology.stop();
    for (const node of this.nodes) {
      node.waitingRoom.clear(error);
      node.membership.stop(error);
    }
  }

  /** A node that was left has nothing more under way, or has had its time. */
  dropIfDone(node: NodePool, now: number): void {
    const until = this.#leaving.get(node);
    if (until === undefined) return;
    if (now >= until) node.membership.abandon(leftError());
    if (node.membership.held === 0) this.#leaving.delete(node);
  }

  #openSingle(): NodePool {
    const endpoint = this.topology.endpoints[0] as Endpoint;
    const node = this.#owner.createNode(endpoint);
    this.#nodes.set(endpoint.id, node);
    return node;
  }

  #nodeOf(route: CommandRoute | undefined): NodePool | undefined {
    if (route?.endpointId !== undefined) return this.#nodes.get(route.endpointId);
    const endpoint = this.topology.route(route);
    return endpoint === undefined ? undefined : this.#nodes.get(endpoint.id);
  }

  /** @returns The node that takes this one command, where the redirect says no more than that. */
  #learn(node: NodePool, { kind, slot, to }: Redirect): NodePool | undefined {
    if (kind === 'moved') {
      this.topology.report({ kind: 'moved', from: node.endpoint, slot, to });
      return undefined;
    }
    const endpoint = this.topology.endpointAt(to, node.endpoint);
    return endpoint === undefined ? undefined : this.#nodeAt(endpoint);
  }

  #nodeAt(endpoint: Endpoint): NodePool {
    const known = this.#nodes.get(endpoint.id);
    if (known !== undefined) return known;
    const node = this.#owner.createNode(endpoint);
    this.#nodes.set(endpoint.id, node);
    return node;
  }

  /**
   * A command that may have run at one of several databases must not run at another.
   * @returns Whether it would, so that its caller has to be told that nobody knows.
   */
  isElsewhere({ history, route }: Command): boolean {
    if (history?.site === undefined) return false;
    const { site } = this.nodeFor(route).endpoint;
    return site !== undefined && site !== history.site;
  }

  #sendAsking(node: NodePool, command: Command): void {
    if (command.history !== undefined) command.history.isAsking = true;
    node.send(command);
  }

  #onChange(terms?: LeaveTerms): void {
    if (this.#single !== undefined) return;
    const known = new Map(this.topology.endpoints.map((endpoint) => [endpoint.id, endpoint]));
    for (const [id, node] of this.#nodes) {
      if (known.get(id)?.source === node.endpoint.source) continue;
      this.#nodes.delete(id);
      this.#leaving.set(node, Number.POSITIVE_INFINITY);
      if (terms === undefined) node.membership.leave();
    }
    for (const endpoint of known.values()) this.#nodeAt(endpoint);
    this.#only = this.#onlyNode();
    if (terms !== undefined) this.#handOver(terms);
    this.#watchOutage();
    this.#moveStrays();
    this.#owner.onChange([...known.values()].map(({ address, role }) => ({ address, role })));
  }

  /** Where keys decide nothing and one serves, or nobody, there is no choice. */
  #onlyNode(): NodePool | undefined {
    if (this.topology.isSharded || this.#nodes.size > 1) return undefined;
    const [node] = this.#nodes.values();
    return node ?? this.#lobby;
  }

  /** Others have taken over from all that were left. */
  #handOver({ drainMs }: LeaveTerms): void {
    const until = this.#owner.now() + drainMs;
    for (const [node, before] of this.#leaving) {
      this.#leaving.set(node, Math.min(before, until));
      node.handOver(leftError());
    }
    // They are wanted at once, not only by the first who asks.
    for (const { membership } of this.#nodes.values()) membership.pump();
  }

  /** While none of several databases answers, all are asked, though nobody may wait. */
  #watchOutage(): void {
    if (this.topology.failover === undefined) return;
    this.#lobby?.membership.seek(this.#nodes.size === 0);
  }

  /** Who waits where he will not be served goes where he will. */
  #moveStrays(): void {
    for (const node of this.nodes) {
      const isLeft = this.#leaving.has(node);
      const isStray = (route: CommandRoute | undefined) =>
        route === HERE ? isLeft : this.nodeFor(route) !== node;
      const { commands, leases } = node.waitingRoom.takeStrays(isStray);
      for (const command of commands) {
        if (command.route === HERE) command.fail(leftError());
        else if (this.isGone(command.route)) command.fail(goneError());
        else this.#owner.dispatch(command);
      }
      for (const request of leases) {
        if (this.isGone(request.route)) request.fail(goneError());
        else this.nodeFor(request.route).waitingRoom.readmitLease(request);
      }
    }
  }

  /** Its source connects nowhere: it looks at the servers until somebody serves who waits. */
  #lobbyEndpoint(): Endpoint {
    const { topology } = this;
    const source: ConnectionSource = {
      get address() {
        return topology.address;
      },
      isLobby: true,
      onMoved: undefined,
      connect: async () => {
        await topology.look();
        const waiting = this.#lobby?.waitingRoom.length ?? 0;
        if (waiting > 0 || topology.endpoints.length === 0) throw nobodyServes(topology.address);
        return undefined;
      },
      reportDemotion() {},
      stop() {},
    };
    return { id: 'lobby', address: topology.address, role: 'primary', source };
  }
}

function leftError(): PoolError {
  return new PoolError('CONNECTION_LOST', 'Another endpoint is used by now');
}

export function goneError(): PoolError {
  const text = 'The server that it was meant for alone serves no more';
  return new PoolError('CONNECTION_LOST', text, { sent: false });
}

function pauseBefore(redirects: number): number {
  return redirects === 1 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (redirects - 2), MAX_PAUSE_MS);
}

function nobodyServes(address: string): PoolError {
  const text = `${address}: no server serves the slot`;
  return new PoolError('CONNECT_FAILED', text, { sent: false });
}

function tooManyRedirects(name: string): PoolError {
  const text = `${name}: the servers have sent it to one another ${MAX_REDIRECTS} times`;
  return new PoolError('CONNECT_FAILED', text, { sent: false });
}

/** One of several servers keeps one connection open, and a replica none that nobody reads from. */
export function optionsAt(
  options: ResolvedOptions,
  { role }: Endpoint,
  { endpoints }: Topology,
): ResolvedOptions {
  if (endpoints.length === 1) return options;
  const minConnections = role === 'replica' ? 0 : Math.min(1, options.minConnections);
  return { ...options, minConnections };
}
