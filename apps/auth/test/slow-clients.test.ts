// Clients that send slowly, never finish, or don't read: none of them holds a connection for longer
// than the documented time, whatever it does in between.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { useServer } from '../../../test/support/servers.js';
import { REQUEST_CHECK_MS, REQUEST_TIMEOUT_MS, STALLED_MS } from '../src/http/app.js';
import { listen, useService } from './support/service.js';

/** For a machine that is busy, ms. */
const SLACK_MS = 4_000;
const HEAD = 'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
const WHOLE = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n';

describe('a slow client', () => {
  const server = useServer();
  const service = useService(server);
  let port = 0;
  beforeAll(async () => {
    port = await listen(service);
  });

  /** After how long the server closed the connection, ms. */
  async function closed(drive: (socket: Socket) => void): Promise<number> {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    const started = performance.now();
    drive(socket);
    await new Promise((resolve) => socket.once('close', resolve));
    return performance.now() - started;
  }

  /** Sends so much each second, as long as the connection is open. */
  function drip(socket: Socket, text: string, first = text): void {
    socket.write(first);
    const timer = setInterval(() => socket.write(text), 1_000);
    socket.once('close', () => clearInterval(timer));
  }

  const clients: Record<string, (socket: Socket) => void> = {
    'stops within its header': (socket) => socket.write(HEAD),
    'drips its header': (socket) => drip(socket, 'x-a: b\r\n', HEAD),
    'stops within its body': (socket) => socket.write(`${HEAD}content-length: 90\r\n\r\n{"us`),
    'drips its body': (socket) => drip(socket, '{', `${HEAD}content-length: 90\r\n\r\n`),
    'stops within a chunk': (socket) =>
      socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n5\r\nab`),
    'stops within its second request': (socket) => socket.write(WHOLE + HEAD),
    'sends an empty line between two': (socket) => socket.write(`${WHOLE}\r\n${HEAD}`),
    'drips empty lines': (socket) => drip(socket, '\r\n'),
  };
  test.concurrent.each(Object.entries(clients))(
    'that %s is cut off',
    async (_name, drive) => {
      const ms = await closed(drive);
      expect(ms).toBeLessThan(REQUEST_TIMEOUT_MS + REQUEST_CHECK_MS + SLACK_MS);
    },
    60_000,
  );

  test.concurrent('that says nothing is cut off', async () => {
    const ms = await closed(() => undefined);
    expect(ms).toBeLessThan(STALLED_MS + SLACK_MS);
  }, 60_000);

  test.concurrent('that asks and asks and never reads is cut off', async () => {
    const ms = await closed((socket) => {
      socket.pause();
      const ask = () => {
        while (socket.writable && socket.write(WHOLE.repeat(100)));
      };
      socket.on('drain', ask);
      ask();
    });
    expect(ms).toBeLessThan(STALLED_MS + 2 * SLACK_MS);
  }, 60_000);
});
