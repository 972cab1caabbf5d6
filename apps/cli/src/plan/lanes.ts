// The same load on pipelined lanes: how many connections a worker needs, and what its CPU does. Pure.

import { commandsPerBatch, costOfCommand } from './batches.js';
import type { Costs } from './costs.js';
import { type Demand, ratesOf } from './demand.js';

/** docs/sizing.md: what holds connections, and half of that again. */
const RESERVE = 1.5;

export interface Holders {
  /** Leases at the same time, in one worker. */
  readonly leases: number;
  /** Blocking commands at the same time, in one worker. */
  readonly blocking: number;
  /** Clients that subscribe, in one worker. */
  readonly subscribers: number;
  readonly laneDepth: number;
}

export interface LanesPlan {
  readonly commandsPerBatch: number;
  /** CPU of a worker for a command, its part of the batch included, µs. */
  readonly commandUs: number;
  /** Of a worker's core for its Redis calls alone, a share. */
  readonly clientCpu: number;
  /** Of a worker's core for all that it does, a share; 1 and above: it can't. */
  readonly workerCpu: number;
  /** Commands in flight in a worker, on average. */
  readonly inFlight: number;
  readonly lanes: number;
  /** A worker's connections, with the reserve of the sizing page. */
  readonly connectionsPerWorker: number;
}

/** Lanes that so many commands in flight deserve: k lanes are used up to k x k x laneDepth (docs/adr/0002). */
export function lanesFor(inFlight: number, laneDepth: number): number {
  return Math.max(1, Math.ceil(Math.sqrt(inFlight / laneDepth)));
}

export function planLanes(demand: Demand, holders: Holders, costs: Costs): LanesPlan {
  const { callsPerWorker } = ratesOf(demand);
  const workUs = costs.requestUs / demand.redisCalls;
  const turn = { commandUs: costs.clientCommandUs, batchUs: costs.clientBatchUs, workUs };
  const commands = commandsPerBatch(callsPerWorker, turn);
  const commandUs = costOfCommand(costs.clientCommandUs, costs.clientBatchUs, commands);
  // A command is in flight for the round trip, and for the turn in which it gathers.
  const turnMs = (costs.clientBatchUs + finite(commands) * (costs.clientCommandUs + workUs)) / 1e3;
  const inFlight = (callsPerWorker * (costs.roundTripMs + turnMs)) / 1e3;
  const lanes = lanesFor(inFlight, holders.laneDepth);
  const held = lanes + holders.leases + holders.blocking + holders.subscribers;
  return {
    commandsPerBatch: commands,
    commandUs,
    clientCpu: (callsPerWorker * commandUs) / 1e6,
    workerCpu: (callsPerWorker * (commandUs + workUs)) / 1e6,
    inFlight,
    lanes,
    connectionsPerWorker: Math.ceil(held * RESERVE),
  };
}

/** A worker that is overwhelmed has no end of commands to send; one turn's worth is counted. */
function finite(commands: number): number {
  return Number.isFinite(commands) ? commands : 1;
}
