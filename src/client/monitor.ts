// MONITOR: every command that the server executes, as a line each, on a leased connection of its
// own for as long as somebody looks.

import type { ConnectionLease } from '../pool/lease.js';

export type MonitorListener = (line: string) => unknown;

/** A running MONITOR. */
export class Monitor {
  readonly #lease: ConnectionLease;
  readonly #onStop: (monitor: Monitor) => void;

  /** @param lease A connection on which MONITOR was answered. */
  constructor(
    lease: ConnectionLease,
    listener: MonitorListener,
    onStop: (monitor: Monitor) => void,
  ) {
    this.#lease = lease;
    this.#onStop = onStop;
    lease.onPush = ([line]) => deliver(listener, String(line));
    lease.onLost = () => this.stop();
  }

  stop(): void {
    this.#lease.onPush = undefined;
    this.#lease.onLost = undefined;
    if (!this.#lease.isReleased) this.#lease.release();
    this.#onStop(this);
  }
}

/** A listener that throws must not end the connection that brought the line. */
function deliver(listener: MonitorListener, line: string): void {
  try {
    listener(line);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
