// What befalls the network and the servers, one act at a time.

import { Chance } from 'plimsoll-cli/simulated-time/chance.js';
import type { Network, NetworkConnection } from 'plimsoll-cli/simulated-time/network.js';
import type { Deployment } from './deployment.js';
import type { Act } from './plan.js';
import type { SimulatedServer } from './server.js';

/** What a server may say to everything for a while. */
const MOODS = [
  'LOADING Redis is loading the dataset in memory',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  "READONLY You can't write against a read only replica.",
  'NOAUTH Authentication required.',
  'MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk.',
  "OOM command not allowed when used memory > 'maxmemory'.",
  'NOPERM this user has no permissions to run this command',
];

export class Faults {
  readonly #network: Network;
  readonly #deployment: Deployment;

  constructor(network: Network, deployment: Deployment) {
    this.#network = network;
    this.#deployment = deployment;
  }

  befall({ kind, seed }: Act): void {
    const chance = new Chance(seed);
    const server = chance.pick(this.#deployment.servers);
    switch (kind) {
      case 'reset':
      case 'hang up':
      case 'freeze':
      case 'silence':
      case 'deafen':
        this.#spoil(kind, chance);
        break;
      case 'kill':
        server.kill();
        this.#later(chance.between(5, 3_000), () => {
          if (!server.isUp) server.start();
        });
        break;
      case 'hang':
        server.hang(chance.pick([30, 300, 1_500, 6_000]) * chance.between(0.5, 1));
        break;
      case 'mood':
        server.sulk(chance.pick(MOODS), chance.between(5, 1_500));
        break;
      case 'unreachable':
        this.#isolate(server, chance.between(50, 3_000));
        break;
      case 'crowd':
        server.maxClients = chance.integer(0, 2);
        this.#later(chance.between(50, 2_000), () => {
          server.maxClients = Number.POSITIVE_INFINITY;
        });
        break;
      case 'fail over':
        this.#deployment.failOver(chance);
        break;
      case 'confuse':
        this.#deployment.confuse(chance);
        break;
      default:
        throw new Error(`${kind} is no fault`);
    }
  }

  /** What is open now and was silenced stays so; all else is whole from now on. */
  end(): void {
    this.#deployment.mend();
  }

  /** Something befalls one connection, or sometimes all of them. */
  #spoil(kind: 'reset' | 'hang up' | 'freeze' | 'silence' | 'deafen', chance: Chance): void {
    const open = this.#network.connectionsTo().filter(({ isAccepted }) => isAccepted);
    if (open.length === 0) return;
    const hit = chance.happens(0.2) ? open : [chance.pick(open)];
    const until = this.#network.loop.outsideNow + chance.between(20, 3_000);
    for (const connection of hit) spoil(connection, kind, until);
  }

  #isolate(server: SimulatedServer, ms: number): void {
    const { unreachable } = this.#network;
    unreachable.add(server.address);
    this.#later(ms, () => unreachable.delete(server.address));
  }

  #later(ms: number, act: () => void): void {
    const { loop } = this.#network;
    loop.happensAt(loop.outsideNow + ms, act);
  }
}

function spoil(
  connection: NetworkConnection,
  kind: 'reset' | 'hang up' | 'freeze' | 'silence' | 'deafen',
  until: number,
): void {
  connection.network.loop.note?.(() => `${kind}: ${connection.description}`);
  switch (kind) {
    case 'reset':
      connection.reset();
      break;
    case 'hang up':
      connection.isFaulty = true;
      connection.end();
      break;
    case 'freeze':
      connection.freeze(until);
      break;
    case 'silence':
      connection.silence('both');
      break;
    case 'deafen':
      connection.silence('to client');
      break;
  }
}
