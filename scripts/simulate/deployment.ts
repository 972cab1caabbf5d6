// Which servers there are in an episode, and what befalls them: one server, or a primary with
// replicas that sentinels watch; a cluster stands in `cluster.ts`. `mend()` makes all whole again.

import type { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import type { EventLoop } from 'plimsoll-cli/simulated-time/event-loop.js';
import type { Network } from 'plimsoll-cli/simulated-time/network.js';
import { Sentinels } from './sentinels.js';
import { SimulatedServer, type Surroundings, type Witness } from './server.js';

export type DeploymentKind = 'standalone' | 'sentinel' | 'cluster';

export interface World {
  readonly loop: EventLoop;
  readonly network: Network;
  readonly witness: Witness;
  readonly chance: Chance;
}

export interface Deployment {
  /** How `createPool()` reaches it. */
  readonly options: object;
  /** Those that have data. */
  readonly servers: readonly SimulatedServer[];
  /** Where data is written just now. */
  readonly primaries: readonly SimulatedServer[];
  /** Another server takes over. */
  failOver(chance: Chance): void;
  /** Something befalls those who say where the servers are. */
  confuse(chance: Chance): void;
  /** Everything is up and of one mind, from now on. */
  mend(): void;
}

const DATA_HOST = '10.0.0.1';
const FIRST_PORT = 6_379;
const REPLICAS = 2;

export function surroundingsOf({ network, loop, witness }: World): Surroundings {
  let clients = 0;
  return { network, loop, witness, nextClientId: () => ++clients };
}

/** A server that died comes back; one that hangs goes on. */
export function restore(server: SimulatedServer): void {
  server.surroundings.network.unreachable.delete(server.address);
  server.maxClients = Number.POSITIVE_INFINITY;
  server.calmDown();
  if (server.isUp) server.wakeUp();
  else server.start();
}

export class Standalone implements Deployment {
  readonly options = { host: DATA_HOST, port: FIRST_PORT };
  readonly servers: readonly SimulatedServer[];

  constructor(world: World) {
    this.servers = [new SimulatedServer(DATA_HOST, FIRST_PORT, surroundingsOf(world))];
    this.servers[0]!.start();
  }

  get primaries(): readonly SimulatedServer[] {
    return this.servers;
  }

  /** The address is given to another server, as in a cloud: for a moment it is read-only. */
  failOver(chance: Chance): void {
    const [server] = this.servers as [SimulatedServer];
    server.role = 'slave';
    const { loop } = server.surroundings;
    loop.happensAt(server.now + chance.between(20, 600), () => {
      for (const client of [...server.clients.values()]) client.connection.end();
      server.role = 'master';
    });
  }

  confuse(): void {}

  mend(): void {
    for (const server of this.servers) {
      restore(server);
      server.role = 'master';
    }
  }
}

export class Watched implements Deployment {
  readonly options: object;
  readonly servers: readonly SimulatedServer[];
  readonly #sentinels: Sentinels;
  readonly #loop: EventLoop;
  #primary: SimulatedServer;

  constructor(world: World) {
    const surroundings = surroundingsOf(world);
    this.#loop = world.loop;
    this.servers = Array.from(
      { length: REPLICAS + 1 },
      (_, index) => new SimulatedServer(`10.0.0.${index + 1}`, FIRST_PORT, surroundings),
    );
    this.#primary = this.servers[0]!;
    for (const server of this.servers) {
      server.role = server === this.#primary ? 'master' : 'slave';
      server.start();
    }
    this.#sentinels = new Sentinels(world, surroundings, this.servers);
    this.options = { sentinel: this.#sentinels.options };
  }

  get primaries(): readonly SimulatedServer[] {
    return [this.#primary];
  }

  failOver(chance: Chance): void {
    const old = this.#primary;
    const candidates = this.servers.filter((server) => server !== old && server.isUp);
    if (candidates.length === 0) return;
    const next = chance.pick(candidates);
    this.#primary = next;
    const { now } = old;
    if (chance.happens(0.5)) this.#killFor(old, chance.between(100, 2_000));
    // For a while there are two, or none.
    this.#loop.happensAt(now + chance.between(0, 400), () => {
      if (this.#primary !== old) old.role = 'slave';
    });
    this.#loop.happensAt(now + chance.between(0, 400), () => {
      if (this.#primary === next) next.role = 'master';
    });
    this.#sentinels.tell(next, chance);
  }

  confuse(chance: Chance): void {
    this.#sentinels.confuse(chance);
  }

  mend(): void {
    for (const server of this.servers) {
      restore(server);
      server.role = server === this.#primary ? 'master' : 'slave';
    }
    this.#sentinels.mend(this.#primary);
  }

  #killFor(server: SimulatedServer, ms: number): void {
    server.kill();
    this.#loop.happensAt(server.now + ms, () => {
      if (!server.isUp) server.start();
    });
  }
}
