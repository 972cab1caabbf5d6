// Connections that can't be made: each has its code, within its time, and leaves nothing behind.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { freePort } from '../../scripts/free-port.js';
import { type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import { type Certificates, makeCertificates, SERVER_NAME } from '../support/certificates.js';
import {
  answersText,
  closesAtOnce,
  greets,
  startFakeServer,
  staysSilent,
} from '../support/fake-server.js';
import { outcomeOf } from '../support/outcome.js';
import { foundServers, useServer } from '../support/servers.js';
import { until } from '../support/until.js';
import { everythingShownBy, useConnections } from '../support/wire-connection.js';

const SECRET = 'correct-horse-battery-staple';

describe('a connection', () => {
  const open = useConnections();

  test.each([
    ['a web server', answersText()],
    ['a mail server', greets('220 mail.example ESMTP\r\n')],
    ['one who sends rubbish', answersText('\u0000\u0001\u0002')],
  ])('to %s is refused with PROTOCOL_ERROR', async (_, behaviour) => {
    await using fake = await startFakeServer(behaviour);
    const { host, port } = fake;
    const { error, tookMs } = await outcomeOf(open({ host, port, password: SECRET }));
    expect(error).toMatchObject({ code: 'PROTOCOL_ERROR' });
    expect(tookMs).toBeLessThan(1_000);
    expect(everythingShownBy(error)).not.toContain(SECRET);
  });

  test('to a server that closes is refused with CONNECT_FAILED', async () => {
    await using fake = await startFakeServer(closesAtOnce);
    const { host, port } = fake;
    const { error } = await outcomeOf(open({ host, port, password: SECRET }));
    expect(error).toMatchObject({ code: 'CONNECT_FAILED', sent: false });
    expect(everythingShownBy(error)).not.toContain(SECRET);
  });

  test('to a server that never answers is given up with CONNECT_TIMEOUT in time', async () => {
    await using fake = await startFakeServer(staysSilent);
    const { host, port } = fake;
    const options = { host, port, connectTimeoutMs: 200, password: SECRET };
    const { error, tookMs } = await outcomeOf(open(options));
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT', sent: false });
    expect(error?.message).toContain(`${host}:${port} within 200 ms`);
    expect(tookMs).toBeGreaterThan(190);
    expect(tookMs).toBeLessThan(800);
    expect(everythingShownBy(error)).not.toContain(SECRET);
  });

  test('whose password function never answers is given up with CONNECT_TIMEOUT too', async () => {
    await using fake = await startFakeServer(staysSilent);
    const { host, port } = fake;
    const password = () => new Promise<string>(() => undefined);
    const { error } = await outcomeOf(open({ host, port, connectTimeoutMs: 100, password }));
    expect(error).toMatchObject({ code: 'CONNECT_TIMEOUT' });
  });

  test('to a port where nobody listens is refused with CONNECT_FAILED', async () => {
    const port = await freePort();
    for (const host of ['127.0.0.1', 'localhost']) {
      const { error } = await outcomeOf(open({ host, port }));
      expect(error).toMatchObject({ code: 'CONNECT_FAILED', sent: false });
      expect(error?.message).toMatch(/ECONNREFUSED/);
      expect(error?.message).toContain(`${host}:${port}`);
    }
  });

  test('to an unknown host or a missing socket is refused with CONNECT_FAILED', async () => {
    const host = 'redis.plimsoll.invalid';
    const unknown = await outcomeOf(open({ host, connectTimeoutMs: 10_000 }));
    expect(unknown.error).toMatchObject({ code: 'CONNECT_FAILED' });
    expect(unknown.error?.message).toContain(host);
    const missing = await outcomeOf(open({ path: '/nonexistent/redis.sock' }));
    expect(missing.error).toMatchObject({ code: 'CONNECT_FAILED' });
    expect(missing.error?.message).toContain('/nonexistent/redis.sock');
  });

  test('whose attempt is cancelled rejects with ABORTED and hangs up', async () => {
    let hangUps = 0;
    await using fake = await startFakeServer((socket) => {
      socket.resume();
      socket.once('close', () => hangUps++);
    });
    const { host, port } = fake;
    const abort = new AbortController();
    const outcome = outcomeOf(open({ host, port, connectTimeoutMs: 10_000 }, abort.signal));
    await until(() => fake.received.includes('PING'));
    abort.abort();
    expect((await outcome).error).toMatchObject({ code: 'ABORTED' });
    await until(() => hangUps === 1);
    // And one that was cancelled before it began never dials.
    expect((await outcomeOf(open({ host, port }, abort.signal))).code).toBe('ABORTED');
    expect(fake.acceptedConnections).toBe(1);
  });
});

describe.each(foundServers)('a full server ($kind $version)', (found) => {
  const open = useConnections();
  const server = useServer({ server: found, args: ['--maxclients', '2'] });

  test('refuses with MAX_CLIENTS', async () => {
    const { host, port } = server();
    await open({ host, port });
    await open({ host, port });
    const { error } = await outcomeOf(open({ host, port }));
    expect(error).toMatchObject({ code: 'MAX_CLIENTS', sent: false });
    expect(error?.message).toMatch(/max number of clients/);
  });
});

describe('TLS', () => {
  const open = useConnections();
  let certificates: Certificates;
  let others: Certificates;
  let server: PrivateServer;
  let strict: PrivateServer;

  beforeAll(async () => {
    [certificates, others] = await Promise.all([makeCertificates(), makeCertificates()]);
    const tls = { caFile: certificates.caFile, ...certificates.server };
    [server, strict] = await Promise.all([
      startPrivateServer({ tls, password: SECRET }),
      startPrivateServer({ tls: { ...tls, requireClientCertificate: true } }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([server.stop(), strict.stop()]);
    certificates.remove();
    others.remove();
  });
  const address = ({ host, tlsPort }: PrivateServer) => ({ host, port: tlsPort as number });

  test('with the CA of the server connects, and carries large replies', async () => {
    const tls = { ca: certificates.ca };
    const { connection, redis } = await open({ ...address(server), tls, password: SECRET });
    expect(connection.protocol).toBe(3);
    expect(await redis.read('ECHO', 'x'.repeat(500_000))).toHaveLength(500_000);
  });

  test('asks for the name by SNI, and checks the certificate against it', async () => {
    const tls = { ca: certificates.ca, servername: SERVER_NAME };
    const { redis } = await open({ ...address(server), tls, password: SECRET });
    expect(await redis.read('PING')).toBe('PONG');
    const wrong = { ...tls, servername: 'redis.elsewhere.test' };
    const { error } = await outcomeOf(open({ ...address(server), tls: wrong, password: SECRET }));
    expect(error).toMatchObject({ code: 'TLS_FAILED', sent: false });
    expect(error?.message).toContain('redis.elsewhere.test');
  });

  test('takes the host for SNI where it is a name', async () => {
    const tls = { ca: certificates.ca };
    const { tlsPort } = server;
    const options = { host: 'localhost', port: tlsPort as number, tls, password: SECRET };
    expect(await (await open(options)).redis.read('PING')).toBe('PONG');
  });

  test('shows the client certificate that the server asks for', async () => {
    const { cert, key } = certificates.client;
    const tls = { ca: certificates.ca, cert, key };
    const { redis } = await open({ ...address(strict), tls });
    expect(await redis.read('PING')).toBe('PONG');
    const without = await outcomeOf(open({ ...address(strict), tls: { ca: certificates.ca } }));
    expect(without.error).toMatchObject({ code: 'TLS_FAILED', sent: false });
    const foreign = { ca: certificates.ca, cert: others.client.cert, key: others.client.key };
    const { error } = await outcomeOf(open({ ...address(strict), tls: foreign }));
    expect(error).toMatchObject({ code: 'TLS_FAILED' });
    expect(everythingShownBy(error)).not.toContain('PRIVATE KEY');
  });

  test('with another CA, or none, is refused with TLS_FAILED', async () => {
    for (const tls of [{ ca: others.ca }, true]) {
      const { error } = await outcomeOf(open({ ...address(server), tls, password: SECRET }));
      expect(error).toMatchObject({ code: 'TLS_FAILED', sent: false });
      expect(everythingShownBy(error)).not.toContain(SECRET);
    }
  });

  test('towards a server that speaks none is refused', async () => {
    await using fake = await startFakeServer(answersText());
    const { host, port } = fake;
    const { error } = await outcomeOf(open({ host, port, tls: true }));
    expect(error).toMatchObject({ code: 'TLS_FAILED' });
  });
});
