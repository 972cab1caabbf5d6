// Socket.IO over Redis' pub/sub, ordinary and sharded.

import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { endedSoon } from '../clients.mjs';
import { adapterChecks } from '../sockets.mjs';

/** @returns Two clients of one application: one to publish, its duplicate to subscribe. */
async function pair(world) {
  const publisher = await world.open();
  const subscriber = publisher.duplicate();
  subscriber.on('error', () => undefined);
  await subscriber.connect();
  world.atEnd(() => endedSoon(subscriber));
  return [publisher, subscriber];
}

const ordinary = async (world) => createAdapter(...(await pair(world)));
const sharded = async (world) => createShardedAdapter(...(await pair(world)));

const named = (name, checks) =>
  Object.fromEntries(Object.entries(checks).map(([title, check]) => [`${name}: ${title}`, check]));

export default {
  packages: ['@socket.io/redis-adapter', 'socket.io', 'socket.io-client'],
  use: 'createAdapter(pool.client, pool.client.duplicate())',
  holds: '1, for all subscriptions',
  notes: [
    'after a restart of Redis, subscriptions come back by themselves; with other clients servers stayed deaf ' +
      '(socketio/socket.io#4845, socketio/socket.io-redis-adapter#446). What was published meanwhile is lost, ' +
      'as Redis keeps none.',
  ],
  checks: {
    ...adapterChecks(ordinary),
    ...named('sharded', adapterChecks(sharded)),
  },
};
