// Run as a child process: a worker that writes tokens through a pool of its own without pause, and
// prints each that was acknowledged, until it is killed. Its argument is JSON: url, list, name.

import { createPool } from '../../../src/index.js';

const CALLERS = 20;

interface Task {
  readonly url: string;
  readonly list: string;
  readonly name: string;
}

const { url, list, name } = JSON.parse(process.argv[3] as string) as Task;
const pool = createPool({ url, name, maxConnections: 4, laneDepth: 5 }, {});

await Promise.all(
  Array.from({ length: CALLERS }, async (_, caller) => {
    for (let count = 0; ; count++) {
      const token = `${name}-${caller}-${count}`;
      await pool.client.rPush(list, token);
      process.stdout.write(`${token}\n`);
    }
  }),
);
