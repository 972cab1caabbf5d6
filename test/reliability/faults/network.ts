// What happens between the pool and a server that is well: refused, reset, cut, silent, slow, in
// pieces, and answers that are none.

import { setTimeout as sleep } from 'node:timers/promises';

import { answersText, startFakeServer } from '../../support/fake-server.js';
import { LATE, LOST, returnWithin, UNNOTICED } from '../fault.js';
import { oneServer } from '../one-server.js';

const SHORT_DEADLINE_MS = 300;
const LONG_DEADLINE_MS = 3_000;

export const networkFaults = oneServer([
  {
    name: 'refused',
    does: 'all connections reset, and none accepted for 100 to 400 ms',
    rounds: 10,
    bound: returnWithin(1_000, 'accepting again'),
    mayMeet: LOST,
    async strike({ world: { proxy }, random, healed }) {
      proxy.refuseConnections();
      proxy.resetAll();
      await sleep(random.integer(100, 400));
      await proxy.acceptConnections();
      await healed();
    },
  },
  {
    name: 'reset',
    does: 'all connections reset or ended, 10 times within 0.3 s',
    rounds: 10,
    bound: returnWithin(1_000, 'the last one'),
    mayMeet: LOST,
    async strike({ world: { proxy }, random, healed }) {
      for (let count = 0; count < 10; count++) {
        await sleep(random.integer(5, 50));
        if (random.integer(0, 1) === 0) proxy.resetAll();
        else proxy.endAll();
      }
      await healed();
    },
  },
  {
    name: 'cut in the middle',
    does: 'a connection reset within a request or a reply, at any byte, 10 times',
    rounds: 10,
    bound: returnWithin(1_000, 'the last one'),
    mayMeet: LOST,
    async strike({ world: { proxy }, random, healed }) {
      for (let count = 0; count < 10; count++) {
        const from = random.pick(['client', 'server'] as const);
        await proxy.closeAfter({ from, bytes: random.integer(0, 3_000) });
      }
      await healed();
    },
  },
  {
    name: 'half-open for less than the deadline',
    does: 'nothing passes for 200 to 500 ms, in one direction or both; then all of it, late',
    rounds: 10,
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ world: { proxy }, random }) {
      proxy.hold(random.pick(['requests', 'replies', 'both'] as const));
      await sleep(random.integer(200, 500));
      proxy.resume();
    },
  },
  {
    name: 'half-open for longer than the deadline',
    does: `nothing passes for 900 ms with deadlines of ${SHORT_DEADLINE_MS} ms; then all of it`,
    rounds: 6,
    pool: { commandTimeoutMs: SHORT_DEADLINE_MS, acquireTimeoutMs: SHORT_DEADLINE_MS },
    bound: returnWithin(1_000, 'the end of the silence'),
    mayMeet: [...LATE, 'BREAKER_OPEN'],
    async strike({ world: { proxy }, random, healed }) {
      proxy.hold(random.pick(['requests', 'replies', 'both'] as const));
      await sleep(900);
      proxy.resume();
      await healed();
    },
  },
  {
    name: 'swallowed',
    does: 'all that passes within 20 ms is lost, and the connections stay silent for good; new ones work',
    rounds: 6,
    isQuick: true,
    pool: { commandTimeoutMs: LONG_DEADLINE_MS, acquireTimeoutMs: LONG_DEADLINE_MS },
    bound: returnWithin(1_500, 'the first lost byte'),
    // Leases and blocking calls: their silence is the borrower's business until their deadline.
    mayMeet: LATE,
    async strike({ world: { proxy }, random, healed }) {
      proxy.swallow(random.pick(['requests', 'replies', 'both'] as const));
      const lostSince = performance.now();
      await sleep(20);
      proxy.resume();
      await healed(lostSince);
    },
  },
  {
    name: 'slow',
    does: '50 to 100 ms later in each direction, for 1 s',
    rounds: 10,
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ world: { proxy }, random }) {
      proxy.delay(random.integer(50, 100));
      await sleep(1_000);
      proxy.delay(0);
    },
  },
  {
    name: 'sliced',
    does: 'requests and replies in pieces of 1 to 200 bytes, for 0.5 s',
    rounds: 10,
    pool: { commandTimeoutMs: LONG_DEADLINE_MS, acquireTimeoutMs: LONG_DEADLINE_MS },
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ world: { proxy }, random }) {
      proxy.sliceReplies({ maxBytes: 200, random });
      proxy.sliceRequests({ maxBytes: 200, random });
      await sleep(500);
      proxy.sliceReplies(undefined);
      proxy.sliceRequests(undefined);
    },
  },
  {
    name: 'garbage',
    does: 'bytes that are no RESP behind the replies of all connections; then a web server for 200 ms',
    rounds: 10,
    isQuick: true,
    bound: returnWithin(1_000, "the server's return"),
    mayMeet: [...LOST, 'BREAKER_OPEN'],
    async strike({ world: { proxy }, random, healed }) {
      await using web = await startFakeServer(answersText());
      const { target } = proxy;
      proxy.inject(Buffer.from(random.pick(['\0\xff', 'HTTP/1.1 400\r\n', ')\r\n'] as const)));
      await sleep(50);
      proxy.target = { host: web.host, port: web.port };
      proxy.resetAll();
      await sleep(200);
      proxy.target = target;
      await healed();
    },
  },
]);
