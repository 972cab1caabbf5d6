// Messages arrive on a connection of their own, which subscribes again when it was lost; commands
// go on over the lanes.

import { createPool } from 'plimsoll';

const pool = createPool();
const redis = pool.client;

const received = new Promise<void>((resolve) => {
  let count = 0;
  void redis.subscribe('harbour', (message, channel) => {
    console.log(`${channel}: ${message}`);
    if (++count === 2) resolve();
  });
});

// publish() answers how many subscribers got the message.
while ((await redis.publish('harbour', 'the tide is in')) === 0) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
await redis.publish('harbour', 'the tide is out');
await received;

await redis.unsubscribe('harbour');
await pool.close();
