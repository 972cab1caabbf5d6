// How the generator itself fares: its CPU and the lag of its event loop. A generator that is late
// measures itself and not the service; the report says so when these figures pass their bounds.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import type { GeneratorHealth } from './protocol.js';

/** The monitor's own period, which its figures include. */
const RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

export class HealthMeter {
  readonly #lag = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #cpu = process.cpuUsage();
  #readMs = performance.now();

  start(): void {
    this.#lag.enable();
    this.#cpu = process.cpuUsage();
    this.#readMs = performance.now();
  }

  stop(): void {
    this.#lag.disable();
  }

  /** CPU since the last call, lag since the start. */
  read(): GeneratorHealth {
    const nowMs = performance.now();
    const cpu = process.cpuUsage();
    const spentMs = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1000;
    const cpuPercent = (100 * spentMs) / Math.max(1, nowMs - this.#readMs);
    this.#cpu = cpu;
    this.#readMs = nowMs;
    return {
      cpuPercent,
      loopLagP99Ms: lagMs(this.#lag.percentile(99)),
      loopLagMaxMs: lagMs(this.#lag.max),
      memoryBytes: process.memoryUsage.rss(),
    };
  }
}

function lagMs(delayNs: number): number {
  return Math.max(0, delayNs / NS_PER_MS - RESOLUTION_MS);
}
