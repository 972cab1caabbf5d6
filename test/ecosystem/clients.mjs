// The two clients that every library is run on: node-redis', and `pool.client` of a pool of its own.

import { setTimeout as sleep } from 'node:timers/promises';
import { createPool } from '../../dist/index.js';

/** Libraries are told of errors by listeners of their own; without one they would end the process. */
const ignore = () => undefined;

/** What is under way may end; a client without a server would wait for ever. */
const CLOSE_MS = 500;

/** Closes a client of node-redis, or a duplicate of either. */
export async function endedSoon(client) {
  if (!client.isOpen) return;
  const closed = client.close().then(() => true, ignore);
  if ((await Promise.race([closed, sleep(CLOSE_MS, false, { ref: false })])) === false)
    client.destroy();
}

export const CLIENTS = {
  'node-redis': {
    async open(url, options) {
      const { createClient } = await import('redis');
      const client = createClient({ url, ...options });
      client.on('error', ignore);
      return client.connect();
    },
    close: (client) => endedSoon(client),
  },
  plimsoll: {
    async open(url, options) {
      const pool = createPool({ url, ...options }, {});
      const { client } = pool;
      client.on('error', ignore);
      pools.set(client, pool);
      return client.connect();
    },
    close: (client) => pools.get(client).close({ timeoutMs: CLOSE_MS }),
  },
};

const pools = new Map();
