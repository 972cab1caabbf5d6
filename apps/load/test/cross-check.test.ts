// Another load tester sees the same service as this one does.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { crossCheck, crossCheckTable } from '../src/cross-check.js';

const SERVER = fileURLToPath(new URL('./support/slow-server.mjs', import.meta.url));
const AGREEMENT_PERCENT = 10;

it('autocannon and this tool agree on throughput and median within 10 %', async () => {
  const server = fork(SERVER);
  try {
    const [port] = await once(server, 'message');
    const result = await crossCheck({
      host: `http://127.0.0.1:${port}`,
      path: '/',
      connections: 10,
      durationMs: 1000,
      rounds: 3,
    });
    const shown = crossCheckTable(result);
    expect(result.plimsoll.failures + result.autocannon.failures, shown).toBe(0);
    expect(result.plimsoll.rps, shown).toBeGreaterThan(500);
    expect(Math.abs(result.rpsDifferencePercent), shown).toBeLessThan(AGREEMENT_PERCENT);
    expect(Math.abs(result.p50DifferencePercent), shown).toBeLessThan(AGREEMENT_PERCENT);
  } finally {
    server.kill();
  }
}, 60_000);
