// A simulated cluster: three primaries with a replica each, slots that move, replicas that are
// promoted, and servers that hear of it late.

import type { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import type { EventLoop } from 'plimsoll-cli/simulated-time/event-loop.js';
import { type Deployment, restore, surroundingsOf, type World } from './deployment.js';
import { SimulatedServer } from './server.js';
import { type Shard, SLOT_COUNT, Slots } from './slots.js';

const SHARDS = 3;
const PORT = 7_000;
/** A server hears of a change so much later at most, ms. */
const HEARS_WITHIN_MS = 500;
/** Slots that move at once, at most. */
const MOST_SLOTS = 2_000;
/** Steps in which the keys of a slot move. */
const MIGRATION_STEPS = 5;

export class Cluster implements Deployment {
  readonly options: object;
  readonly servers: readonly SimulatedServer[];
  readonly #slots: Slots;
  readonly #loop: EventLoop;

  constructor(world: World) {
    const surroundings = surroundingsOf(world);
    const createServer = (index: number) =>
      new SimulatedServer(`10.0.2.${index + 1}`, PORT, surroundings);
    const shards: Shard[] = Array.from({ length: SHARDS }, (_, index) => ({
      primary: createServer(2 * index),
      replicas: [createServer(2 * index + 1)],
    }));
    this.#loop = world.loop;
    this.#slots = new Slots(shards);
    surroundings.slots = this.#slots;
    this.servers = shards.flatMap(({ primary, replicas }) => [primary, ...replicas]);
    for (const server of this.servers) server.start();
    this.#setRoles();
    const nodes = this.servers.slice(0, 3).map(({ host, port }) => ({ host, port }));
    this.options = { cluster: { nodes } };
  }

  get primaries(): readonly SimulatedServer[] {
    return this.#slots.shards.map(({ primary }) => primary);
  }

  /** A replica takes over: by agreement, or since the primary has died. */
  failOver(chance: Chance): void {
    const shard = chance.pick(this.#slots.shards);
    const index = shard.replicas.findIndex(({ isUp }) => isUp);
    if (index === -1) return;
    const old = shard.primary;
    const isDead = chance.happens(0.5);
    if (isDead) old.kill();
    const promote = () => {
      const next = shard.replicas[index];
      if (next === undefined || shard.primary !== old || !next.isUp) return;
      shard.replicas[index] = old;
      shard.primary = next;
      this.#setRoles();
      this.#change(chance, [old, next]);
    };
    this.#later(isDead ? chance.between(100, 1_500) : 0, promote);
    this.#later(chance.between(1_500, 4_000), () => {
      if (!old.isUp) old.start();
    });
  }

  /** A server is behind for a while; or slots move. */
  confuse(chance: Chance): void {
    if (chance.happens(0.7)) this.#moveSlots(chance);
    else this.#mislead(chance);
  }

  mend(): void {
    for (const server of this.servers) restore(server);
    for (const slot of [...this.#slots.migrations.keys()]) this.#slots.migrations.delete(slot);
    this.#setRoles();
    this.#slots.noteChange();
    this.#slots.tellAll();
  }

  #moveSlots(chance: Chance): void {
    const { shards, shardOf, migrations } = this.#slots;
    const count = chance.pick([1, 100, MOST_SLOTS]);
    const start = chance.integer(0, SLOT_COUNT - 1);
    const target = chance.integer(0, SHARDS - 1);
    const moving: number[] = [];
    for (let slot = start; slot < Math.min(start + count, SLOT_COUNT); slot++) {
      if (shardOf[slot] === target || migrations.has(slot)) continue;
      migrations.set(slot, { target: shards[target] as Shard, progress: 0 });
      moving.push(slot);
    }
    const ms = chance.between(10, 1_500);
    for (let step = 1; step <= MIGRATION_STEPS; step++) {
      this.#later((step * ms) / MIGRATION_STEPS, () => {
        for (const slot of moving) {
          const migration = migrations.get(slot);
          if (migration !== undefined) migration.progress = step / MIGRATION_STEPS;
        }
      });
    }
    this.#later(ms + chance.between(0, 300), () => {
      for (const slot of moving) if (migrations.delete(slot)) shardOf[slot] = target;
      this.#change(chance, []);
    });
  }

  #mislead(chance: Chance): void {
    const server = chance.pick(this.servers);
    const former = this.#slots.beliefOf(server);
    this.#later(chance.between(100, 1_000), () => this.#slots.mislead(server, former));
    this.#later(chance.between(1_000, 3_000), () => this.#slots.tell(server));
  }

  /** Some know at once; the others hear of it. */
  #change(chance: Chance, knowing: readonly SimulatedServer[]): void {
    this.#slots.noteChange();
    for (const server of this.servers) {
      if (knowing.includes(server)) this.#slots.tell(server);
      else this.#later(chance.between(0, HEARS_WITHIN_MS), () => this.#slots.tell(server));
    }
  }

  #setRoles(): void {
    for (const { primary, replicas } of this.#slots.shards) {
      primary.role = 'master';
      for (const replica of replicas) replica.role = 'slave';
    }
  }

  #later(ms: number, act: () => void): void {
    this.#loop.happensAt(this.#loop.outsideNow + ms, act);
  }
}
