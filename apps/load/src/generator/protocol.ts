// What the conductor and its generator processes say to each other. Latencies travel as plain
// numbers, 4 bytes each: cheaper for the generator than to keep and encode histograms, and the
// conductor's merged histogram is exactly that of one process.

import type { LoadPlan, LoadStage } from '../load-shape.js';
import type { UserClassChoice } from '../load-user-class.js';

export interface GeneratorSettings {
  readonly userClasses: UserClassChoice;
  readonly host: string;
  /** All users of the run; this process has every `processCount`-th of them. */
  readonly users: number;
  readonly processIndex: number;
  readonly processCount: number;
  /** Users started per second, by all processes together. */
  readonly spawnRate: number;
  /** How the number of users changes; undefined: all come and stay. */
  readonly plan: LoadPlan | undefined;
  /** Requests per second by all processes together: the open model. Closed when undefined. */
  readonly rate: number | undefined;
  /** Tasks to run by all processes together. Without end when undefined. */
  readonly iterations: number | undefined;
  readonly stopTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly seed: number;
  readonly waitScale: number;
  readonly usersFile: string | undefined;
}

export interface WindowRow {
  readonly method: string;
  readonly name: string;
  /** Microseconds, one per request, failures included. */
  readonly latenciesUs: Uint32Array;
  readonly failures: number;
  /** Bytes of response bodies. */
  readonly bytes: number;
  /** These requests began when the run was being stopped already. */
  readonly late: boolean;
}

export interface FailureCount {
  readonly method: string;
  readonly name: string;
  readonly error: string;
  readonly count: number;
}

export interface ExceptionCount {
  readonly message: string;
  readonly traceback: string;
  readonly count: number;
}

/** What was observed since the last window. */
export interface Observations {
  readonly rows: readonly WindowRow[];
  readonly failures: readonly FailureCount[];
  readonly exceptions: readonly ExceptionCount[];
}

export interface GeneratorHealth {
  /** Of one core, during this window. */
  readonly cpuPercent: number;
  /** Since the start. */
  readonly loopLagP99Ms: number;
  readonly loopLagMaxMs: number;
  /** Resident memory. */
  readonly memoryBytes: number;
}

export interface GeneratorWindow extends Observations {
  readonly type: 'window';
  readonly startMs: number;
  readonly endMs: number;
  readonly users: number;
  /** Every user of this process was up and ready during the whole window. */
  readonly steady: boolean;
  /** How often the number of users was changed before this window. */
  readonly revision: number;
  /** The run was steady until it was stopped: what ends now and isn't late belongs to that state. */
  readonly afterSteady: boolean;
  /** Open model: arrivals that waited for a free connection at the end of the window. */
  readonly backlog: number;
  /** Requests that were cut off when the run ended, since the start; each is a failure. */
  readonly aborted: number;
  /** Users who were busy without an open request when the run ended. */
  readonly unfinished: number;
  /** Sockets opened beyond the first of each user, since the start. */
  readonly reconnects: number;
  readonly health: GeneratorHealth;
}

export type FromGenerator =
  | GeneratorWindow
  | { readonly type: 'ready' }
  | { readonly type: 'done' }
  /** All iterations are done. */
  | { readonly type: 'finished' }
  | { readonly type: 'broken'; readonly message: string };

export type ToGenerator =
  | { readonly type: 'prepare'; readonly settings: GeneratorSettings }
  | { readonly type: 'start' }
  /** From now on so many users by all processes together, which come or go at this rate. */
  | { readonly type: 'change'; readonly stage: LoadStage }
  | { readonly type: 'stop' };
