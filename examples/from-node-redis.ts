// A service that was written for node-redis. The one line that changed is the first of `main`: there
// it was `const client = createClient(options)`. Its options, its listeners, connect() and close(), a
// transaction, a subscriber and the types of its functions are as they were.
// Shown:
//   visits: 2
//   heard: the tide is in
//   bought: 1 left: 9
//   on a connection of its own: PONG
//   a misspelt option: socket.hots has no meaning here

import { createPool, InvalidOptionsError, type RedisClientType } from 'plimsoll';

const options = {
  url: process.env.REDIS_URL ?? 'redis://localhost:6379',
  name: 'harbour',
  pingInterval: 10_000,
  socket: {
    connectTimeout: 2_000,
    keepAliveInitialDelay: 5_000,
    reconnectStrategy: (retries: number) => Math.min(retries * 50, 500),
  },
};

/** As it was: it wants node-redis' type, and pool.client has it. */
async function countVisit(client: RedisClientType, page: string): Promise<number> {
  return client.incr(`visits:${page}`);
}

async function main(): Promise<void> {
  const { client } = createPool(options);
  client.on('error', (error) => console.error('redis:', error.message));
  await client.connect();
  await client.del(['visits:pier', 'stock', 'sold']);

  await countVisit(client, 'pier');
  console.log('visits:', await countVisit(client, 'pier'));

  const subscriber = client.duplicate();
  await subscriber.connect();
  const heard = new Promise<string>((resolve) => void subscriber.subscribe('tide', resolve));
  while ((await client.publish('tide', 'the tide is in')) === 0);
  console.log('heard:', await heard);
  await subscriber.close();

  await client.set('stock', 10);
  const [left, sold] = await client.multi().decr('stock').incr('sold').exec();
  console.log('bought:', sold, 'left:', left);

  await client.close();
}

/** What createClientPool() had: its `execute(task)` lends a connection. */
async function withItsPool(): Promise<void> {
  const pool = createPool(options);
  console.log('on a connection of its own:', await pool.execute((client) => client.ping()));
  await pool.close();
}

await main();
await withItsPool();

try {
  createPool({ ...options, socket: { hots: 'localhost' } });
} catch (error) {
  if (error instanceof InvalidOptionsError) console.log('a misspelt option:', error.problems[0]);
}
