// Time, as everything here sees it: a monotonic reading in milliseconds that comes in from
// outside, so that units run on simulated time.

export interface Clock {
  /** Monotonic milliseconds with a fraction; only differences mean anything. */
  now(): number;
}

export const systemClock: Clock = { now: () => performance.now() };
