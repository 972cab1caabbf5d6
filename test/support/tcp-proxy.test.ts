// The proxy's faults, seen by plain sockets on both sides: what it claims to do to a connection
// has to be true, or the fault tests that stand on it prove nothing.

import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { seededRandom } from './seeded-random.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';
import { until } from './until.js';

const LONG_ENOUGH_MS = 60;

/** A client that keeps what it received, in the pieces in which it came. */
interface TestClient {
  readonly socket: Socket;
  readonly pieces: Buffer[];
  readonly text: string;
  readonly ended: boolean;
  readonly errorCode: string | undefined;
}

let proxy: TcpProxy;
let server: net.Server;
const clients: Socket[] = [];
/** The sockets of the echo server. */
const accepted: Socket[] = [];
let received = '';

beforeEach(async () => {
  received = '';
  server = net.createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.toString();
      socket.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startTcpProxy(server.address() as AddressInfo & { host: string });
});

afterEach(async () => {
  await proxy.stop();
  server.close();
  for (const socket of [...clients.splice(0), ...accepted.splice(0)]) socket.destroy();
});

/** Where bytes come together with the reset, as a late process finds them, libuv tells of an end. */
function isCutOff({ errorCode, ended }: TestClient): boolean {
  return errorCode === 'ECONNRESET' || ended;
}

function connect(): TestClient {
  const socket = net.connect({ host: proxy.host, port: proxy.port, noDelay: true });
  const seen = { ended: false, errorCode: undefined as string | undefined };
  const pieces: Buffer[] = [];
  clients.push(socket);
  socket.on('data', (bytes) => pieces.push(bytes));
  socket.on('end', () => {
    seen.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.errorCode = error.code;
  });
  return {
    socket,
    pieces,
    get text() {
      return Buffer.concat(pieces).toString();
    },
    get ended() {
      return seen.ended;
    },
    get errorCode() {
      return seen.errorCode;
    },
  };
}

test('passes bytes both ways and counts connections', async () => {
  const [first, second] = [connect(), connect()];
  first.socket.write('one');
  second.socket.write('two');
  await until(() => first.text === 'one' && second.text === 'two');
  expect(proxy.acceptedConnections).toBe(2);
  expect(proxy.openConnections).toBe(2);
  first.socket.destroy();
  await until(() => proxy.openConnections === 1);
  expect(proxy.acceptedConnections).toBe(2);
});

test('slices replies to single bytes', async () => {
  proxy.sliceReplies({ bytes: 1 });
  const client = connect();
  client.socket.write('sliced');
  await until(() => client.text === 'sliced');
  // Six, but on a busy machine the kernel may join two before they are read.
  expect(client.pieces.length).toBeGreaterThan(3);
});

test('slices replies at random bytes and loses none', async () => {
  const random = seededRandom();
  console.log(`seed ${random.seed}`);
  proxy.sliceReplies({ maxBytes: 7, random });
  const client = connect();
  const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(50);
  client.socket.write(text);
  await until(() => client.text.length === text.length);
  expect(client.text).toBe(text);
  expect(client.pieces.length).toBeGreaterThan(text.length / 20);
});

test('delivers late but whole what it held', async () => {
  const client = connect();
  client.socket.write('a');
  await until(() => client.text === 'a');
  proxy.hold('replies');
  client.socket.write('b');
  await until(() => received === 'ab');
  accepted[0]!.end();
  await sleep(LONG_ENOUGH_MS);
  expect(client).toMatchObject({ text: 'a', ended: false });
  proxy.resume();
  await until(() => client.ended);
  expect(client.text).toBe('ab');
});

test('holds requests before the server sees them, also on new connections', async () => {
  proxy.hold('requests');
  const client = connect();
  client.socket.write('held');
  await sleep(LONG_ENOUGH_MS);
  expect(received).toBe('');
  expect(client.socket.readyState).toBe('open');
  proxy.resume();
  await until(() => client.text === 'held');
});

test('keeps silent for good on a connection of which it swallowed something', async () => {
  const [hurt, unhurt] = [connect(), connect()];
  hurt.socket.write('1');
  unhurt.socket.write('2');
  await until(() => hurt.text === '1' && unhurt.text === '2');
  proxy.swallow('replies');
  hurt.socket.write('3');
  await until(() => received.endsWith('3'));
  await sleep(LONG_ENOUGH_MS);
  proxy.resume();
  hurt.socket.write('4');
  unhurt.socket.write('5');
  await until(() => unhurt.text === '25');
  expect(hurt).toMatchObject({ text: '1', ended: false, errorCode: undefined });
});

test('resets all connections', async () => {
  const [first, second] = [connect(), connect()];
  first.socket.write('x');
  second.socket.write('x');
  await until(() => received === 'xx' && first.text === 'x' && second.text === 'x');
  proxy.resetAll();
  await until(() => first.errorCode === 'ECONNRESET' && second.errorCode === 'ECONNRESET');
  expect(proxy.openConnections).toBe(0);
});

test('ends all connections without an error', async () => {
  const client = connect();
  client.socket.write('x');
  await until(() => client.text === 'x');
  proxy.endAll();
  await until(() => client.ended);
  expect(client.errorCode).toBeUndefined();
});

test('refuses new connections and keeps open ones, until it accepts again', async () => {
  const client = connect();
  client.socket.write('a');
  await until(() => client.text === 'a');
  proxy.refuseConnections();
  const refused = connect();
  await until(() => refused.errorCode === 'ECONNREFUSED');
  client.socket.write('b');
  await until(() => client.text === 'ab');
  await proxy.acceptConnections();
  const later = connect();
  later.socket.write('c');
  await until(() => later.text === 'c');
});

test('delays what it passes on', async () => {
  const client = connect();
  client.socket.write('a');
  await until(() => client.text === 'a');
  proxy.delay(50, 'replies');
  const startedAt = performance.now();
  client.socket.write('b');
  await until(() => client.text === 'ab');
  expect(performance.now() - startedAt).toBeGreaterThan(45);
});

test('cuts a reply after so many bytes, once', async () => {
  const client = connect();
  const fired = proxy.closeAfter({ from: 'server', bytes: 3 });
  client.socket.write('abcdef');
  await fired;
  await until(() => isCutOff(client));
  expect(received).toBe('abcdef');
  const later = connect();
  later.socket.write('whole');
  await until(() => later.text === 'whole');
});

test('cuts a request after so many bytes', async () => {
  const client = connect();
  void proxy.closeAfter({ from: 'client', bytes: 2 });
  client.socket.write('abcdef');
  await until(() => isCutOff(client));
  await until(() => received === 'ab');
});

test('puts bytes behind the replies that no server sent', async () => {
  const clients = [connect(), connect()];
  for (const client of clients) client.socket.write('a');
  await until(() => clients.every(({ text }) => text === 'a'));
  proxy.inject(Buffer.from('?'));
  await until(() => clients.every(({ text }) => text === 'a?'));
});

test('resets the client when the server resets, and when there is no server', async () => {
  const client = connect();
  client.socket.write('a');
  await until(() => client.text === 'a');
  accepted[0]!.resetAndDestroy();
  await until(() => client.errorCode === 'ECONNRESET');
  server.close();
  const later = connect();
  await until(() => later.errorCode === 'ECONNRESET');
});
