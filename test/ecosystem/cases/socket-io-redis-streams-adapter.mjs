// Socket.IO over a stream that each server reads with a blocking XREAD.

import assert from 'node:assert/strict';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { adapterChecks, heardBy, startCrew, startServers } from '../sockets.mjs';
import { until } from '../world.mjs';

const onStream = async (world) => createAdapter(await world.open(), { heartbeatInterval: 200 });

export default {
  packages: ['@socket.io/redis-streams-adapter', 'socket.io', 'socket.io-client'],
  use: 'createAdapter(pool.client)',
  holds: '1 for each stream that is read (`streamCount`, default 1), 1 for subscriptions',
  checks: {
    ...adapterChecks(onStream),
    'a client that was away gets what it missed': async (world) => {
      const connectionStateRecovery = { maxDisconnectionDuration: 10_000 };
      const { here, guest } = await startCrew(world, onStream, { connectionStateRecovery });
      const heard = heardBy(guest);
      here.emit('news', 'before');
      // Beside each message comes its place in the stream.
      await until(() => heard.flat().includes('before'));
      guest.io.engine.close();
      await until(() => guest.disconnected);
      here.emit('news', 'meanwhile');
      await until(() => heard.flat().includes('meanwhile'));
      assert.equal(guest.recovered, true);
    },
    'readers that block delay no command of the same client': async (world) => {
      const { client } = world;
      await startServers(world, async () => createAdapter(client));
      const before = performance.now();
      for (let call = 0; call < 50; call++) await client.ping();
      const tookMs = performance.now() - before;
      assert.ok(tookMs < 1_000, `50 pings took ${Math.round(tookMs)} ms`);
    },
  },
};
