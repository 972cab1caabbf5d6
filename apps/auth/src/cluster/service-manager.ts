// What whoever started the service is told, and how it is noticed that he has gone.
//
// systemd (Type=notify) hears of READY, RELOADING and STOPPING, and twice in its watchdog's time that
// the primary's event loop runs. Node can't write to the datagram socket that systemd listens on, so
// the program systemd-notify does. npm forwards SIGTERM and SIGINT, but dies of SIGHUP.

import { execFile } from 'node:child_process';
import type { Logger } from 'pino';

const NOTIFY_TIMEOUT_MS = 5_000;
const PARENT_CHECK_MS = 500;

export class ServiceManager {
  readonly #log: Logger;
  readonly #env: NodeJS.ProcessEnv;

  constructor(log: Logger, env: NodeJS.ProcessEnv) {
    this.#log = log;
    this.#env = env;
  }

  ready(): void {
    this.#notify('READY=1');
    const watchdogMs = Number(this.#env.WATCHDOG_USEC) / 1000;
    if (watchdogMs > 0) setInterval(() => this.#notify('WATCHDOG=1'), watchdogMs / 2).unref();
  }

  reloading(): void {
    this.#notify('RELOADING=1');
  }

  reloaded(): void {
    this.#notify('READY=1');
  }

  stopping(): void {
    this.#notify('STOPPING=1');
  }

  /** Calls once npm, which started the service, has gone; else a terminal that closes leaves it behind. */
  onNpmGone(stop: () => void): void {
    if (this.#env.npm_lifecycle_event === undefined) return;
    const npm = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === npm) return;
      clearInterval(timer);
      this.#log.warn('npm has gone, the service stops; send signals to the pid of AUTH_PID_FILE');
      stop();
    }, PARENT_CHECK_MS).unref();
  }

  #notify(state: string): void {
    if (this.#env.NOTIFY_SOCKET === undefined) return;
    execFile('systemd-notify', [state], { timeout: NOTIFY_TIMEOUT_MS }, (error) => {
      if (error !== null) this.#log.warn({ state, reason: error.message }, 'systemd was not told');
    });
  }
}
