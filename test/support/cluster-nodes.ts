// A cluster of nodes that say what the test wants, for tests of the topology on simulated time.

import { vi } from 'vitest';
import { routeOf } from '../../src/base/route.js';
import type { PoolOptions } from '../../src/config/options.js';
import { resolveOptions } from '../../src/config/resolve.js';
import { PoolError } from '../../src/errors.js';
import { ClusterTopology } from '../../src/topology/cluster/cluster.js';
import type { Open } from '../../src/topology/cluster/node.js';
import type { Endpoint, LeaveTerms } from '../../src/topology/topology.js';
import { simulatedClock as clock, SimulatedConnection } from './simulated-connection.js';

/** A line of CLUSTER SLOTS: first and last slot, and ports of primary and replicas. */
export type Line = readonly [start: number, end: number, ...ports: number[]];

export interface FakeNode {
  lines: readonly Line[];
  epoch: number;
  isOk: boolean;
  zone?: string;
  /** What the nodes' own numbers begin with. */
  cluster: string;
  state: 'up' | 'refuses' | 'hangs' | 'silent';
  /** Instead of lines. */
  reply?: unknown;
}

export const THIRDS: readonly Line[] = [
  [0, 5_460, 1],
  [5_461, 10_922, 2],
  [10_923, 16_383, 3],
];
export const WITH_REPLICAS: readonly Line[] = [
  [0, 8_191, 1, 3, 4],
  [8_192, 16_383, 2, 5],
];

export class FakeCluster {
  readonly nodes = new Map<number, FakeNode>();
  readonly links: SimulatedConnection[] = [];
  readonly #portOf = new Map<SimulatedConnection, number>();
  readonly dialed: number[] = [];
  /** What was said with the last greeting, by port. */
  readonly preludes = new Map<number, readonly string[]>();
  changes = 0;
  /** What was said of the last change. */
  terms: LeaveTerms | undefined;

  constructor(lines: readonly Line[], ports: readonly number[]) {
    for (const port of ports) {
      this.nodes.set(port, { lines, epoch: 1, isOk: true, cluster: 'a', state: 'up' });
    }
  }

  /** Changes what all nodes, or those of some ports, are and say. */
  set(facts: Partial<FakeNode>, ports: readonly number[] = [...this.nodes.keys()]): void {
    for (const port of ports) Object.assign(this.nodes.get(port) as FakeNode, facts);
    if (facts.state !== 'refuses') return;
    for (const [link, port] of this.#portOf) if (ports.includes(port)) link.lose();
  }

  topology(options: PoolOptions & { seeds?: number[] } = {}): ClusterTopology {
    const { seeds = [1], ...rest } = options;
    const cluster = { nodes: seeds.map((port) => ({ host: 'h', port })) };
    const { target } = resolveOptions({ cluster, ...rest }, {});
    // Not constant, so that nodes are asked in any order, and the same each time.
    let turn = 0;
    const random = () => (turn++ * 0.37) % 1;
    const made = new ClusterTopology(target.cluster as never, target, clock, random, this.#open);
    made.start({
      onChange: (terms) => {
        this.changes++;
        this.terms = terms;
      },
    });
    opened.push(made);
    return made;
  }

  get openLinks(): number {
    return this.links.filter(({ endError }) => endError === undefined).length;
  }

  readonly #open = (async (...[target, , signal, , , prelude]: Parameters<Open>) => {
    const { port } = target;
    this.dialed.push(port);
    this.preludes.set(port, prelude?.map(({ args }) => args.join(' ')) ?? []);
    const node = this.nodes.get(port);
    if (node === undefined || node.state === 'refuses') {
      throw new PoolError('CONNECT_FAILED', `h:${port} refused`, { sent: false });
    }
    if (node.state === 'hangs') {
      await new Promise((_, reject) => {
        const fail = () => reject(new PoolError('CONNECT_TIMEOUT', 'timed out', { sent: false }));
        setTimeout(fail, target.connectTimeoutMs);
        signal.addEventListener('abort', fail);
      });
    }
    for (const { args, onReply } of prelude ?? []) {
      if (args.includes('MYID')) onReply?.(`${node.cluster}${port}`);
    }
    const link: SimulatedConnection = new SimulatedConnection(clock, () => {
      const words = wordsOf(String(link.commands[0]?.payload));
      return node.state === 'silent' ? undefined : answer(node, words);
    });
    this.links.push(link);
    this.#portOf.set(link, port);
    return link;
  }) as unknown as Open;
}

function wordsOf(payload: string): string {
  return payload
    .split('\r\n')
    .filter((_, index) => index > 0 && index % 2 === 0)
    .join(' ');
}

function answer(node: FakeNode, words: string): unknown {
  if (words === 'CLUSTER INFO') {
    return `cluster_state:${node.isOk ? 'ok' : 'fail'}\r\ncluster_current_epoch:${node.epoch}\r\n`;
  }
  if (words === 'INFO server') return `# Server\r\navailability_zone:${node.zone ?? ''}\r\n`;
  if (words !== 'CLUSTER SLOTS') return new Error(`ERR unknown command ${words}`);
  if (node.reply !== undefined) return node.reply;
  return node.lines.map(([start, end, ...ports]) => [
    ...[start, end],
    ...ports.map((port) => ['h', port, `${node.cluster}${port}`, []]),
  ]);
}

const opened: ClusterTopology[] = [];

/** For afterEach. */
export function stopTopologies(): void {
  for (const topology of opened.splice(0)) topology.stop();
}

export const tick = (ms: number) => vi.advanceTimersByTimeAsync(ms);
export const idOf = (endpoint: Endpoint | undefined) => endpoint?.id;
export const owner = (topology: ClusterTopology, slot: number) =>
  idOf(topology.route(routeOf(slot, 'write')));
export const reader = (topology: ClusterTopology, slot: number) =>
  idOf(topology.route(routeOf(slot, 'read')));
export const endpointOf = (topology: ClusterTopology, id: string) =>
  topology.endpoints.find((endpoint) => endpoint.id === id) as Endpoint;
