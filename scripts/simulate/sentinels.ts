// Three simulated sentinels, each with a view of its own that may be behind.

import type { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import { array, bulk, map, nothing, push } from 'plimsoll-cli/simulated-time/resp.js';
import type { World } from './deployment.js';
import { type ServerClient, SimulatedServer, type Surroundings } from './server.js';

const NAME = 'primary';
const COUNT = 3;
const PORT = 26_379;
/** A sentinel learns of a failover so much later at most, ms. */
const LEARNS_WITHIN_MS = 400;
const CHANNEL = '+switch-master';

export class Sentinels {
  readonly options: object;
  readonly #sentinels: readonly SimulatedServer[];
  readonly #servers: readonly SimulatedServer[];
  /** Whom each of them takes for the primary. */
  readonly #views = new Map<SimulatedServer, SimulatedServer>();

  constructor(world: World, shared: Surroundings, servers: readonly SimulatedServer[]) {
    const surroundings: Surroundings = {
      ...shared,
      witness: {
        onExecuted: (_, client) => world.witness.onMisplaced('data at a sentinel', client),
        onQueued: (_, client) => world.witness.onMisplaced('MULTI at a sentinel', client),
        onMisplaced: (what, client) => world.witness.onMisplaced(what, client),
      },
      answerBeyond: (client, name, args) => this.#answer(client, name, args),
    };
    this.#servers = servers;
    this.#sentinels = Array.from(
      { length: COUNT },
      (_, index) => new SimulatedServer(`10.0.1.${index + 1}`, PORT, surroundings),
    );
    for (const sentinel of this.#sentinels) {
      this.#views.set(sentinel, servers[0]!);
      sentinel.start();
    }
    this.options = { name: NAME, nodes: this.#sentinels.map(({ host, port }) => ({ host, port })) };
  }

  /** Each of them learns of the new primary, sooner or later. */
  tell(primary: SimulatedServer, chance: Chance): void {
    for (const sentinel of this.#sentinels) {
      const { loop } = sentinel.surroundings;
      const at = sentinel.now + chance.between(0, LEARNS_WITHIN_MS);
      loop.happensAt(at, () => this.#learn(sentinel, primary));
    }
  }

  /** One of them dies, hangs, or falls back to an old view. */
  confuse(chance: Chance): void {
    const sentinel = chance.pick(this.#sentinels);
    const ms = chance.between(100, 3_000);
    const { loop } = sentinel.surroundings;
    const way = chance.integer(1, 3);
    if (way === 1) {
      sentinel.kill();
      loop.happensAt(sentinel.now + ms, () => sentinel.start());
    } else if (way === 2) {
      sentinel.hang(ms);
    } else {
      const truth = this.#views.get(sentinel)!;
      this.#views.set(sentinel, chance.pick(this.#servers));
      loop.happensAt(sentinel.now + ms, () => this.#learn(sentinel, truth));
    }
  }

  mend(primary: SimulatedServer): void {
    for (const sentinel of this.#sentinels) {
      if (sentinel.isUp) sentinel.wakeUp();
      else sentinel.start();
      this.#learn(sentinel, primary);
    }
  }

  #learn(sentinel: SimulatedServer, primary: SimulatedServer): void {
    const former = this.#views.get(sentinel)!;
    if (former === primary) return;
    this.#views.set(sentinel, primary);
    const text = `${NAME} ${former.host} ${former.port} ${primary.host} ${primary.port}`;
    for (const client of sentinel.clients.values()) {
      if (!client.channels.has(CHANNEL)) continue;
      const items = [bulk('message'), bulk(CHANNEL), bulk(text)];
      client.connection.send(client.protocol === 3 ? push(items) : array(items));
    }
  }

  #answer(client: ServerClient, name: string, args: readonly string[]): string | undefined {
    if (name !== 'SENTINEL') return undefined;
    const primary = this.#views.get(client.server)!;
    const what = args[0]?.toUpperCase();
    const known = args[1] === NAME;
    if (what === 'GET-MASTER-ADDR-BY-NAME') {
      if (!known) return nothing(client.protocol);
      return array([bulk(primary.host), bulk(`${primary.port}`)]);
    }
    if (what === 'REPLICAS') {
      const others = this.#servers.filter((server) => server !== primary);
      return array(others.map((server) => describe(server, 'slave', client)));
    }
    if (what === 'SENTINELS') {
      const others = this.#sentinels.filter((other) => other !== client.server);
      return array(others.map((sentinel) => describe(sentinel, 'sentinel', client)));
    }
    return undefined;
  }
}

function describe(server: SimulatedServer, flags: string, { protocol }: ServerClient): string {
  const facts: [string, string][] = [
    ['ip', bulk(server.host)],
    ['port', bulk(`${server.port}`)],
    ['flags', bulk(flags)],
  ];
  return map(facts, protocol);
}
