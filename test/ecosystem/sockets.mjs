// Two Socket.IO servers that share an adapter, their clients, and what every adapter must do.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { until } from './world.mjs';

const IN_TURN = 2_000;

/** @param adapterOf Gives the adapter of one server; each asks for clients of its own. */
export async function startServers(world, adapterOf, options = {}) {
  const servers = [];
  for (let count = 0; count < 2; count++) {
    const http = createServer();
    const server = new Server(http, { ...options, adapter: await adapterOf(world) });
    await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
    world.atEnd(() => server.close());
    servers.push({ server, url: `http://127.0.0.1:${http.address().port}` });
  }
  return servers;
}

/** A client of each server, the first one in the room `crew`. */
export async function startCrew(world, adapterOf, options) {
  const servers = await startServers(world, adapterOf, options);
  const [here, there] = servers.map(({ server }) => server);
  const [mate, guest] = await Promise.all(servers.map(({ url }) => join(world, url)));
  here.in(mate.id).socketsJoin('crew');
  await until(async () => (await there.fetchSockets()).length === 2);
  await until(async () => (await there.in('crew').fetchSockets()).length === 1);
  return { here, there, mate, guest };
}

async function join(world, url) {
  const socket = io(url, { transports: ['websocket'], reconnectionDelay: 20 });
  world.atEnd(() => socket.disconnect());
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  return socket;
}

/** Collects what a client hears: the one argument of an event, or all of them. */
export function heardBy(socket, event = 'news') {
  const heard = [];
  socket.on(event, (...args) => heard.push(args.length > 1 ? args : args[0]));
  return heard;
}

/** What came from another server may come after what came from one's own. */
function assertHas(heard, expected) {
  assert.ok(
    heard.some((item) => isDeepStrictEqual(item, expected)),
    `${expected} not among ${heard}`,
  );
}

/** What is asked of each adapter, whatever carries it. */
export function adapterChecks(adapterOf) {
  return {
    'what one server emits, clients of both hear, but for whom it is not': async (world) => {
      const { here, there, mate, guest } = await startCrew(world, adapterOf);
      const [mateHeard, guestHeard] = [heardBy(mate), heardBy(guest)];
      there.emit('news', 'to all', Buffer.from([1, 0, 255]));
      there.to('crew').emit('news', 'to the crew');
      here.except('crew').emit('news', 'to guests');
      here.emit('news', 'the end');
      await until(() => mateHeard.length === 3 && guestHeard.length === 3);
      const toAll = ['to all', Buffer.from([1, 0, 255])];
      for (const expected of [toAll, 'to the crew', 'the end']) assertHas(mateHeard, expected);
      for (const expected of [toAll, 'to guests', 'the end']) assertHas(guestHeard, expected);
    },
    'fetchSockets(), socketsJoin(), socketsLeave(), disconnectSockets() reach the other server':
      async (world) => {
        const { here, mate, guest } = await startCrew(world, adapterOf);
        const sockets = await here.fetchSockets();
        assert.deepEqual(sockets.map(({ id }) => id).sort(), [mate.id, guest.id].sort());
        here.in(guest.id).socketsJoin('crew');
        await until(async () => (await here.in('crew').fetchSockets()).length === 2);
        here.in(mate.id).socketsLeave('crew');
        await until(async () => (await here.in('crew').fetchSockets())[0]?.id === guest.id);
        here.in('crew').disconnectSockets(true);
        await until(() => guest.disconnected);
        assert.equal(mate.connected, true);
      },
    'emits are acknowledged by servers and by clients': async (world) => {
      const { here, there, mate, guest } = await startCrew(world, adapterOf);
      there.on('ping', (word, reply) => reply(`${word} pong`));
      assert.deepEqual(await here.serverSideEmitWithAck('ping', 'ping'), ['ping pong']);
      mate.on('ask', (reply) => reply('mate'));
      guest.on('ask', (reply) => reply('guest'));
      const replies = await here.timeout(5_000).emitWithAck('ask');
      assert.deepEqual(replies.sort(), ['guest', 'mate']);
    },
    [`${IN_TURN} messages of one turn arrive in order`]: async (world) => {
      const { here, guest } = await startCrew(world, adapterOf);
      const heard = heardBy(guest);
      for (let number = 0; number < IN_TURN; number++) here.emit('news', number);
      await until(() => heard.length === IN_TURN, 20_000);
      assert.deepEqual(
        heard,
        Array.from({ length: IN_TURN }, (_, number) => number),
      );
    },
    'the servers hear of each other again after a restart of Redis': async (world) => {
      const { here, guest } = await startCrew(world, adapterOf);
      const heard = heardBy(guest);
      await world.server.restart();
      await until(async () => {
        here.emit('news', 'back');
        return heard.includes('back');
      });
    },
  };
}
