// Two Socket.IO servers, as on two machines: what one of them emits, clients of the other hear. Each
// publishes over the pool's lanes; its duplicate has one connection for all subscriptions.

import { createAdapter } from '@socket.io/redis-adapter';
import { createPool } from 'plimsoll';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';

const pool = createPool();
const newServer = () =>
  new Server({ adapter: createAdapter(pool.client, pool.client.duplicate()) }).listen(0);
const [harbour, lighthouse] = [newServer(), newServer()];

// A ship at the lighthouse hears what the harbour says.
const { port } = lighthouse.httpServer.address() as { port: number };
const ship = io(`http://127.0.0.1:${port}`, { transports: ['websocket'] });
const heard = new Promise<string>((resolve) => ship.once('tide', resolve));
await new Promise<void>((resolve) => ship.once('connect', resolve));

// fetchSockets() asks the other servers too, so it knows when they have subscribed.
while ((await harbour.fetchSockets()).length === 0) {
  await new Promise((resolve) => setTimeout(resolve, 10));
}
harbour.emit('tide', 'is in');
console.log('the tide', await heard);

ship.disconnect();
await Promise.all([harbour.close(), lighthouse.close()]);
await pool.close();
