// What happens to a server: it dies, hangs, is full, loads, is busy, can't save, changes its password.

import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createPool } from '../../../src/index.js';
import { LATE, LOST, returnWithin, UNNOTICED } from '../fault.js';
import { DURABLE, oneServer, untilInfo } from '../one-server.js';

const RESTARTS = 50;
const SHORT_DEADLINE_MS = 300;
const OUTAGE_DEADLINE_MS = 2_000;

export const serverFaults = oneServer([
  {
    name: 'killed and restarted',
    does: '`kill -9`, and a start 0 to 300 ms later; append-only file with `appendfsync always`',
    rounds: 10,
    isQuick: true,
    isDirect: true,
    server: DURABLE,
    // Longer than the outage, on a busy machine too.
    pool: { commandTimeoutMs: OUTAGE_DEADLINE_MS, acquireTimeoutMs: OUTAGE_DEADLINE_MS },
    bound: returnWithin(1_000, "the port's opening"),
    mayMeet: LOST,
    async strike({ world, random, healed }) {
      await world.server.kill();
      await sleep(random.integer(0, 300));
      await healed(await world.restart());
    },
  },
  {
    name: '50 restarts',
    does: `\`kill -9\` and a start at once, ${RESTARTS} times, each as soon as callers are served again`,
    rounds: 1,
    isDirect: true,
    server: DURABLE,
    bound: returnWithin(1_000, "the port's opening"),
    // Several restarts fit into a deadline, and a busy machine makes one of them long.
    mayMeet: LATE,
    async strike({ world, random, healed }) {
      for (let count = 0; count < RESTARTS; count++) {
        await sleep(random.integer(0, 30));
        await world.server.kill();
        await healed(await world.restart());
      }
    },
  },
  {
    name: 'stopped for less than the deadline',
    does: 'SIGSTOP for 200 to 500 ms, then SIGCONT',
    rounds: 10,
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ world, random }) {
      world.server.pause();
      await sleep(random.integer(200, 500));
      world.server.resume();
    },
  },
  {
    name: 'stopped for longer than the deadline',
    does: `SIGSTOP for 900 ms with deadlines of ${SHORT_DEADLINE_MS} ms, then SIGCONT`,
    rounds: 6,
    isQuick: true,
    pool: { commandTimeoutMs: SHORT_DEADLINE_MS, acquireTimeoutMs: SHORT_DEADLINE_MS },
    bound: returnWithin(1_000, 'SIGCONT'),
    mayMeet: [...LATE, 'BREAKER_OPEN'],
    async strike({ world, healed }) {
      world.server.pause();
      await sleep(900);
      world.server.resume();
      await healed();
    },
  },
  {
    name: 'CLIENT KILL',
    does: 'all connections are closed by the server, 10 times within 0.3 s',
    rounds: 10,
    bound: returnWithin(1_000, 'the last one'),
    mayMeet: LOST,
    async strike({ world, random, healed }) {
      for (let count = 0; count < 10; count++) {
        await sleep(random.integer(5, 50));
        await world.killConnections();
      }
      await healed();
    },
  },
  {
    name: 'CLIENT PAUSE',
    does: 'the server holds all commands back, or writes alone, for 300 ms',
    rounds: 10,
    bound: UNNOTICED,
    mayMeet: [],
    async strike({ world, random }) {
      await world.ask('CLIENT', 'PAUSE', '300', random.pick(['ALL', 'WRITE']));
      await sleep(320);
    },
  },
  {
    name: 'maxclients',
    does: 'all connections are closed, and the server takes no others for 300 ms',
    rounds: 10,
    bound: returnWithin(1_000, 'the room for more'),
    mayMeet: LOST,
    async strike({ world, healed }) {
      await world.ask('CONFIG', 'SET', 'maxclients', '1');
      await world.killConnections();
      await sleep(300);
      await world.ask('CONFIG', 'SET', 'maxclients', '10000');
      await healed();
    },
  },
  {
    name: 'password changed',
    does: 'another `requirepass`, all connections closed; 200 ms later the pool may know it',
    rounds: 10,
    server: { password: 'first' },
    bound: returnWithin(1_000, "the password function's knowing it"),
    mayMeet: [...LOST, 'BREAKER_OPEN'],
    async strike({ world, round, healed }) {
      const password = `number-${round}`;
      await world.ask('CONFIG', 'SET', 'requirepass', password);
      await world.killConnections();
      await sleep(200);
      world.password = password;
      await healed();
    },
  },
  {
    name: 'LOADING',
    does: 'the server reads its data set for about 0.5 s and refuses everything meanwhile',
    rounds: 10,
    // Answers between two parts of that size, and sleeps at each key.
    server: { args: ['--loading-process-events-interval-bytes', '1024'] },
    bound: returnWithin(1_000, 'the end of it'),
    mayMeet: [...LOST, 'LOADING', 'EXECABORT'],
    async strike({ world, healed }) {
      await world.ask('CONFIG', 'SET', 'key-load-delay', '1000');
      await world.ask('DEBUG', 'RELOAD');
      await world.ask('CONFIG', 'SET', 'key-load-delay', '0');
      await healed();
    },
  },
  {
    name: 'BUSY',
    does: 'an endless script, killed after 400 ms; from 50 ms on the server refuses everything',
    rounds: 10,
    server: { args: ['--lua-time-limit', '50'] },
    bound: returnWithin(1_000, 'SCRIPT KILL'),
    mayMeet: [...LOST, 'BUSY', 'EXECABORT'],
    async strike({ world, healed }) {
      await using other = createPool({ url: world.server.url, commandTimeoutMs: 0 }, {});
      const endless = other.client.eval('while true do end').catch(() => undefined);
      await sleep(400);
      await world.ask('SCRIPT', 'KILL');
      await healed();
      await endless;
    },
  },
  {
    name: 'MISCONF',
    does: 'snapshots fail, so that the server takes no writes for 300 ms',
    rounds: 10,
    server: { args: ['--save', '900 1'] },
    bound: returnWithin(1_000, 'the next good snapshot'),
    mayMeet: ['MISCONF', 'EXECABORT'],
    unnoticedBy: ['read'],
    async strike({ world, healed }) {
      // No file can take the place of a folder.
      const inTheWay = path.join(world.server.folder, 'dump.rdb');
      rmSync(inTheWay, { force: true });
      mkdirSync(inTheWay);
      await world.ask('BGSAVE');
      await untilInfo(world, 'persistence', 'rdb_last_bgsave_status:err');
      await sleep(300);
      rmdirSync(inTheWay);
      await world.ask('BGSAVE');
      await untilInfo(world, 'persistence', 'rdb_last_bgsave_status:ok');
      await healed();
    },
  },
]);
