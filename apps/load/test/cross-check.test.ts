// Another load tester sees the same service as this one does.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { crossCheck, crossCheckTable } from '../src/cross-check.js';
import { parseWrk } from '../src/witnesses.js';

const SERVER = fileURLToPath(new URL('./support/slow-server.mjs', import.meta.url));
const AGREEMENT_PERCENT = 10;

it('autocannon and this tool agree on throughput and median within 10 %', async () => {
  const server = fork(SERVER);
  try {
    const [port] = await once(server, 'message');
    const result = await crossCheck({
      host: `http://127.0.0.1:${port}`,
      path: '/',
      connections: 40,
      durationMs: 1000,
      rounds: 3,
    });
    const shown = crossCheckTable(result);
    expect(result.plimsoll.failures + result.witness.failures, shown).toBe(0);
    expect(result.plimsoll.rps, shown).toBeGreaterThan(500);
    expect(Math.abs(result.rpsDifferencePercent), shown).toBeLessThan(AGREEMENT_PERCENT);
    expect(Math.abs(result.p50DifferencePercent), shown).toBeLessThan(AGREEMENT_PERCENT);
  } finally {
    server.kill();
  }
}, 60_000);

it('reads what wrk prints, its failures included', () => {
  const output = `Running 2s test @ http://127.0.0.1:8000/
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.01ms    1.96ms  37.05ms   92.18%
    Req/Sec    12.85k     2.10k   15.89k    75.00%
  Latency Distribution
     50%  850.00us
     75%    4.11ms
     90%    5.50ms
     99%    1.20s
  51209 requests in 4.01s, 17.04MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 10
Requests/sec:  12781.34
Transfer/sec:      4.25MB
`;
  expect(parseWrk(output)).toEqual({ rps: 12781.34, p50: 0.85, p99: 1200, failures: 17 });
  expect(() => parseWrk('unable to connect')).toThrow(/printed no result/);
});
