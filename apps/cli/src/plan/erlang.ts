// The queue of a pool whose connections are lent: calls come at random, hold a connection for a
// random time, and wait in order when all are lent (M/M/c, Erlang C). Pure.
//
//   Erlang B, by recurrence:  B(0) = 1,  B(n) = a B(n-1) / (n + a B(n-1))
//   Erlang C:                 C = B / (1 - (a/c) (1 - B))       a = calls/s x hold, c = connections
//
// The recurrence has no factorial and no power, and each step lies in (0, 1]: it is as exact with
// a million connections as with one.

/**
 * Share of calls that find all connections lent, where such calls go away.
 * @param offered Connections that the calls would hold on average (erlangs).
 */
export function erlangB(connections: number, offered: number): number {
  let blocked = 1;
  for (let count = 1; count <= connections; count++) {
    blocked = (offered * blocked) / (count + offered * blocked);
  }
  return blocked;
}

/** Share of calls that find all connections lent, where such calls wait; 1: more come than leave. */
export function erlangC(connections: number, offered: number): number {
  if (offered >= connections) return 1;
  return waitsOf(connections, offered, erlangB(connections, offered));
}

/**
 * The fewest connections with which at most that share of calls has to wait. It takes as many steps
 * as the answer is high.
 */
export function connectionsFor(offered: number, waitProbability: number): number {
  let blocked = 1;
  // Beyond `offered` each connection makes waits rarer, so that it ends.
  for (let count = 1; ; count++) {
    blocked = (offered * blocked) / (count + offered * blocked);
    if (count > offered && waitsOf(count, offered, blocked) <= waitProbability) return count;
  }
}

function waitsOf(connections: number, offered: number, blocked: number): number {
  return blocked / (1 - (offered / connections) * (1 - blocked));
}

export interface QueueLoad {
  readonly connections: number;
  readonly callsPerSecond: number;
  /** How long a call holds its connection, on average, ms. */
  readonly holdMs: number;
}

export interface QueueAnswer {
  /** Connections that the calls hold on average, if there are as many (erlangs). */
  readonly offered: number;
  /** `offered` as a share of the connections; 1 and above: the queue grows without end. */
  readonly utilization: number;
  /** Share of calls that find the pool exhausted and wait. */
  readonly waitProbability: number;
  /** Mean over all calls, ms; Infinity: the queue grows without end. */
  readonly meanWaitMs: number;
  /** Mean over those that wait, ms. */
  readonly meanWaitOfWaitersMs: number;
  readonly p99WaitMs: number;
  /** Calls that wait, on average. */
  readonly meanWaiting: number;
  /** By how many calls the queue grows each second; 0: it is stable. */
  readonly growthPerSecond: number;
}

/** What calls meet in a pool of so many connections. */
export function queueAnswer(load: QueueLoad): QueueAnswer {
  const { connections, callsPerSecond, holdMs } = load;
  const offered = (callsPerSecond * holdMs) / 1_000;
  const waitProbability = erlangC(connections, offered);
  const isStable = offered < connections;
  const meanWaitOfWaitersMs = isStable ? holdMs / (connections - offered) : Infinity;
  const meanWaitMs = isStable ? waitProbability * meanWaitOfWaitersMs : Infinity;
  return {
    offered,
    utilization: offered / connections,
    waitProbability,
    meanWaitMs,
    meanWaitOfWaitersMs,
    p99WaitMs: waitQuantileMs(0.99, waitProbability, meanWaitOfWaitersMs),
    meanWaiting: (callsPerSecond * meanWaitMs) / 1_000,
    growthPerSecond: isStable ? 0 : ((offered - connections) * 1_000) / holdMs,
  };
}

/** Share of calls that wait longer than that: of those that wait at all, the wait is exponential. */
export function waitsLongerThan(ms: number, answer: QueueAnswer): number {
  if (answer.growthPerSecond > 0 || answer.utilization >= 1) return 1;
  return answer.waitProbability * Math.exp(-ms / answer.meanWaitOfWaitersMs);
}

function waitQuantileMs(share: number, waitProbability: number, meanOfWaitersMs: number): number {
  if (waitProbability <= 1 - share) return 0;
  return meanOfWaitersMs * Math.log(waitProbability / (1 - share));
}
