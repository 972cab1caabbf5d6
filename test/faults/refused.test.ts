// Servers that can't be reached or don't let us in: the caller gets a clear error with a code, at
// once, nothing is left unhandled, and the process can end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { freePort } from '../../scripts/free-port.js';
import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import type { PoolError } from '../../src/errors.js';
import type { ConnectionPool } from '../../src/pool/pool.js';
import { type Certificates, makeCertificates } from '../support/certificates.js';
import { CoreClient, openPool } from '../support/core-client.js';
import {
  answersText,
  type Behaviour,
  closesAtOnce,
  greets,
  startFakeServer,
  staysSilent,
} from '../support/fake-server.js';
import { outcomeOf, outcomesOf } from '../support/outcome.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

type Options = Parameters<typeof openPool>[0];

/** `.invalid` never resolves (RFC 2606). */
const NO_SUCH_HOST = 'redis.plimsoll.invalid';

describe('a server that does not let us in', () => {
  const pools: ConnectionPool[] = [];
  const unhandled: unknown[] = [];
  const noteUnhandled = (reason: unknown) => unhandled.push(reason);
  let server: PrivateServer;
  let certificates: Certificates;
  let otherCertificates: Certificates;

  beforeAll(async () => {
    process.on('unhandledRejection', noteUnhandled);
    [certificates, otherCertificates] = await Promise.all([makeCertificates(), makeCertificates()]);
    server = await startPrivateServer({
      password: 'right',
      tls: {
        caFile: certificates.caFile,
        ...certificates.server,
        requireClientCertificate: true,
      },
    });
  });
  afterEach(async () => {
    for (const pool of pools.splice(0)) await pool.close({ timeoutMs: 0 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    process.off('unhandledRejection', noteUnhandled);
    await server.stop();
    certificates.remove();
    otherCertificates.remove();
  });

  /**
   * The code of the refusal that three callers and a lease agree on; all got it within 1 s, as the
   * pool has no patience.
   */
  async function refusal(options: Options): Promise<{ code: string; message: string }> {
    const pool = openPool({ breaker: { patienceMs: 0 }, ...options });
    pools.push(pool);
    const events: PoolError[] = [];
    pool.on('connectError', (error) => events.push(error));
    const redis = new CoreClient(pool);
    const outcomes = await outcomesOf([
      redis.read('GET', 'key'),
      redis.write('SET', 'key', 'value'),
      redis.write('SET', 'key', Buffer.from('value')),
      pool.acquireLease(),
    ]);
    // And whoever comes later.
    const later = await outcomeOf(redis.read('GET', 'key'));
    // Refusals of a pool are 10 ms apart.
    expect(later.tookMs).toBeLessThan(60);
    const codes = new Set<string | undefined>();
    for (const { code, error, tookMs } of [...outcomes, later]) {
      expect([code, error?.sent]).toEqual(['BREAKER_OPEN', false]);
      expect(tookMs).toBeLessThan(1_000);
      codes.add((error?.cause as PoolError | undefined)?.code);
    }
    expect(codes.size).toBe(1);
    expect((await pool.healthCheck()).healthy).toBe(false);
    expect(pool.status()).toMatchObject({
      state: 'down',
      connections: { open: 0, connecting: expect.any(Number) },
    });
    expect(events[0]?.code).toBe([...codes][0]);
    return { code: [...codes][0] as string, message: events[0]?.message as string };
  }

  async function fakeRefusal(behaviour: Behaviour, options: Options = {}) {
    await using fake = await startFakeServer(behaviour);
    const { host, port } = fake;
    return await refusal({ host, port, ...options });
  }

  test('because its name does not resolve', async () => {
    const { code, message } = await refusal({ host: NO_SUCH_HOST });
    expect(code).toBe('CONNECT_FAILED');
    expect(message).toContain(NO_SUCH_HOST);
  });

  test('because nobody listens on the port', async () => {
    const port = await freePort();
    const { code, message } = await refusal({ host: 'localhost', port });
    expect(code).toBe('CONNECT_FAILED');
    expect(message).toContain(`localhost:${port}`);
  });

  test('because there is no such unix socket', async () => {
    const path = '/nonexistent/redis.sock';
    const { code, message } = await refusal({ path });
    expect(code).toBe('CONNECT_FAILED');
    expect(message).toContain(path);
  });

  test.each([
    ['wrong', 'wrong password', { password: 'wrong' }],
    ['missing', 'no password', {}],
    ['nobody', 'unknown user', { username: 'nobody', password: 'right' }],
  ])('because of a %s credential', async (_, __, credentials) => {
    for (const RESP of [2, 3] as const) {
      const { host, port } = server;
      const { code, message } = await refusal({ host, port, RESP, ...credentials });
      expect(code).toBe('AUTH_FAILED');
      expect(message).not.toMatch(/right|'wrong'|\bwrong\b/);
    }
  });

  test('because it has no such database', async () => {
    const { host, port } = server;
    const { code } = await refusal({ host, port, password: 'right', database: 999 });
    expect(code).toBe('HANDSHAKE_FAILED');
  });

  test('because it speaks no TLS', async () => {
    const { host, port } = server;
    const tls = { ca: certificates.ca };
    // The server takes the greeting for the beginning of a command, and waits for the rest.
    const { code, message } = await refusal({ host, port, tls, connectTimeoutMs: 200 });
    expect(code).toBe('CONNECT_TIMEOUT');
    expect(message).toMatch(/does not answer TLS/);
    // Others say what they think of it.
    expect((await fakeRefusal(answersText(), { tls })).code).toBe('TLS_FAILED');
  });

  test('because it speaks TLS only', async () => {
    const { host, tlsPort } = server;
    const { code } = await refusal({ host, port: tlsPort as number, password: 'right' });
    expect(['PROTOCOL_ERROR', 'CONNECT_FAILED']).toContain(code);
  });

  test('because we do not know its authority, its name, or it does not know ours', async () => {
    const { host, tlsPort } = server;
    const client = { cert: certificates.client.cert, key: certificates.client.key };
    const { ca } = certificates;
    const base = { host, port: tlsPort as number, password: 'right' };
    expect((await refusal({ ...base, tls: true })).code).toBe('TLS_FAILED');
    const unknown = { ...client, ca: otherCertificates.ca };
    expect((await refusal({ ...base, tls: unknown })).code).toBe('TLS_FAILED');
    const misnamed = { ...client, ca, servername: 'redis.elsewhere.test' };
    expect((await refusal({ ...base, tls: misnamed })).code).toBe('TLS_FAILED');
    // It asks for a client certificate.
    expect((await refusal({ ...base, tls: { ca } })).code).toBe('TLS_FAILED');
    // And lets us in where all is well.
    const pool = openPool({ ...base, tls: { ...client, ca } });
    pools.push(pool);
    expect(await new CoreClient(pool).read('PING')).toBe('PONG');
  });

  test('because it is a web server, a mail server or an SSH server', async () => {
    expect((await fakeRefusal(answersText())).code).toBe('PROTOCOL_ERROR');
    expect((await fakeRefusal(greets('220 mail.example ESMTP\r\n'))).code).toBe('PROTOCOL_ERROR');
    expect((await fakeRefusal(greets('SSH-2.0-OpenSSH_9.2p1\r\n'))).code).toBe('PROTOCOL_ERROR');
  });

  test('because it closes at once, or resets', async () => {
    expect((await fakeRefusal(closesAtOnce)).code).toBe('CONNECT_FAILED');
    expect((await fakeRefusal((socket) => socket.end())).code).toBe('CONNECT_FAILED');
    const resets: Behaviour = (socket) => socket.once('data', () => socket.resetAndDestroy());
    expect((await fakeRefusal(resets)).code).toBe('CONNECT_FAILED');
  });

  test('because it never says a word', async () => {
    const { code, message } = await fakeRefusal(staysSilent, { connectTimeoutMs: 150 });
    expect(code).toBe('CONNECT_TIMEOUT');
    expect(message).toMatch(/the port is open, but the server does not answer/);
  });

  test('because it says more than was asked when it greets', async () => {
    // Enough replies for the handshake, and rubbish after them in the same piece.
    const replies = '%1\r\n$2\r\nid\r\n:1\r\n+OK\r\n+OK\r\n+PONG\r\n';
    const chatty: Behaviour = (socket) =>
      socket.once('data', () => socket.write(`${replies}HTTP/1.1 400\r\n`));
    expect((await fakeRefusal(chatty)).code).toBe('PROTOCOL_ERROR');
  });

  test('behind a proxy that loses the connection during each handshake', async () => {
    await using proxy = await startTcpProxy({ host: server.host, port: server.port });
    const pool = openPool({ host: proxy.host, port: proxy.port, password: 'right' });
    pools.push(pool);
    const redis = new CoreClient(pool);
    // One lost handshake is a hiccup: the caller waits it out.
    const cut = proxy.closeAfter({ from: 'server', bytes: 10 });
    expect(await redis.read('PING')).toBe('PONG');
    await cut;
  });

  test('keeps no process alive that did not close its pool', async () => {
    await using silent = await startFakeServer(staysSilent);
    await using web = await startFakeServer(answersText());
    const { host, port } = server;
    const targets: Options[] = [
      { host: NO_SUCH_HOST },
      { host: 'localhost', port: await freePort() },
      { host, port, password: 'wrong' },
      { host, port, tls: true, connectTimeoutMs: 300 },
      { host: silent.host, port: silent.port, connectTimeoutMs: 300 },
      { host: web.host, port: web.port },
    ];
    const file = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
    const child = spawn(
      process.execPath,
      [file('run-typescript.mjs'), file('programs/without-close.ts'), JSON.stringify(targets)],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const lines: string[] = [];
    let startedAt = 0;
    createInterface(child.stdout).on('line', (line) => {
      if (line === 'started') startedAt = performance.now();
      else lines.push(line);
    });
    const [exitCode] = await once(child, 'close');
    const livedMs = performance.now() - startedAt;
    console.log(`the child ended by itself after ${livedMs.toFixed(0)} ms`);
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
    expect(lines.toSorted()).toEqual([
      'BREAKER_OPEN AUTH_FAILED',
      'BREAKER_OPEN CONNECT_FAILED',
      'BREAKER_OPEN CONNECT_FAILED',
      'BREAKER_OPEN CONNECT_TIMEOUT',
      'BREAKER_OPEN CONNECT_TIMEOUT',
      'BREAKER_OPEN PROTOCOL_ERROR',
    ]);
    // The longest is as patient as the pool is by default.
    expect(livedMs).toBeLessThan(4_000);
  });
});
