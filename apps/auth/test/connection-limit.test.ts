// A worker that is full closes who comes next, counts it, and takes others once somebody has left.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { until } from '../../../test/support/until.js';
import { limitConnections } from '../src/http/connection-limit.js';

const LIMIT = 5;
const COMERS = 8;

test('a connection too many is closed at once, and one that leaves makes room', async () => {
  const registry = new Registry();
  const server = createServer((_request, response) => response.end('here'));
  limitConnections(server, LIMIT, registry);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const open: Socket[] = [];
  const come = () => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.once('close', () => open.splice(open.indexOf(socket), 1));
    open.push(socket);
    return socket;
  };
  const sockets = Array.from({ length: COMERS }, come);
  await until(() => open.length === LIMIT);
  expect(await registry.metrics()).toMatch(/^http_connections_open 5$/m);
  expect(await registry.metrics()).toMatch(/^http_connections_refused_total 3$/m);
  sockets.find((socket) => open.includes(socket))!.destroy();
  await until(async () => /^http_connections_open 4$/m.test(await registry.metrics()));
  const next = come();
  next.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const [answer] = await once(next, 'data');
  expect(String(answer)).toContain('here');
  for (const socket of [...open]) socket.destroy();
  server.close();
});
