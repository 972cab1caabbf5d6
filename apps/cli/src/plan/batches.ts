// How many commands a turn of a worker's event loop sends together, and what they cost then. While a
// turn lasts, calls gather; all of them leave with the next one:
//
//   turn = batch + k x (command + work of its request)        k = m + e^-m,  m = calls/s x turn
//
// `m` is what comes in a turn on average; a turn without calls is none, which `e^-m` makes good. So
// k is 1 where there is little to do, and grows as the worker fills up. Pure.

export interface TurnCosts {
  /** µs for each command. */
  readonly commandUs: number;
  /** µs for each batch. */
  readonly batchUs: number;
  /** µs of the application for each command: a request's work, divided among its calls. */
  readonly workUs: number;
}

/** Fixed points are found to this share, in so many rounds at most. */
const PRECISION = 1e-9;
const MOST_ROUNDS = 10_000;

/** Commands in one batch, on average; Infinity: more come than the worker can handle. */
export function commandsPerBatch(callsPerSecond: number, costs: TurnCosts): number {
  const { commandUs, batchUs, workUs } = costs;
  const perCommand = (callsPerSecond * (commandUs + workUs)) / 1e6;
  if (perCommand >= 1) return Infinity;
  const perBatch = (callsPerSecond * batchUs) / 1e6;
  let commands = 1;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const gathered = perBatch + commands * perCommand;
    const next = gathered + Math.exp(-gathered);
    if (Math.abs(next - commands) <= PRECISION * next) return next;
    commands = next;
  }
  return commands;
}

/**
 * Commands of a batch that go to the same server, where it is spread over several by chance.
 * @returns At least 1: a server that gets none gets no batch.
 */
export function commandsPerShard(commands: number, shards: number): number {
  if (shards <= 1) return commands;
  if (commands === Infinity) return Infinity;
  const shardsReached = shards * -Math.expm1(commands * Math.log1p(-1 / shards));
  return Math.max(1, commands / shardsReached);
}

/** µs of CPU a command, its part of the batch included. */
export function costOfCommand(commandUs: number, batchUs: number, commands: number): number {
  return commandUs + batchUs / commands;
}
