// What the users ask for, in requests and Redis calls a second.

export interface Demand {
  readonly users: number;
  readonly workers: number;
  /** Requests a second of one user: 0.1 is one each ten seconds. */
  readonly requestsPerUser: number;
  /** Redis calls in one request. */
  readonly redisCalls: number;
  /** How long one call holds a connection where connections are checked out, ms. */
  readonly requestMs: number;
}

export interface Rates {
  readonly requestsPerSecond: number;
  readonly callsPerSecond: number;
  /** Of each worker, as the load is spread evenly. */
  readonly callsPerWorker: number;
}

export function ratesOf({ users, workers, requestsPerUser, redisCalls }: Demand): Rates {
  const requestsPerSecond = users * requestsPerUser;
  const callsPerSecond = requestsPerSecond * redisCalls;
  return { requestsPerSecond, callsPerSecond, callsPerWorker: callsPerSecond / workers };
}
