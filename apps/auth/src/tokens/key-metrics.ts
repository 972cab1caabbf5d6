// What a scrape shows of a worker's keys: which one signs, when they were read, and whether the
// file could be read at the last look.

import { Gauge, type Registry } from 'prom-client';
import type { KeyRing } from './key-ring.js';

export function registerKeyMetrics(ring: KeyRing, registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: 'auth_signing_key_info',
    help: 'Workers that sign with the key of this id.',
    labelNames: ['kid'],
    registers,
    async collect() {
      this.reset();
      this.set({ kid: (await ring.state()).signing }, 1);
    },
  });
  new Gauge({
    name: 'auth_keys_read_timestamp_seconds',
    help: 'When the keys in use were read from their file; the earliest of all workers.',
    registers,
    aggregator: 'min',
    async collect() {
      this.set((await ring.state()).readAt / 1000);
    },
  });
  new Gauge({
    name: 'auth_keys_file_readable',
    help: '0 while the file of keys cannot be read: the service keeps its keys, a start would fail.',
    registers,
    aggregator: 'min',
    async collect() {
      this.set((await ring.state()).failure === undefined ? 1 : 0);
    },
  });
}
