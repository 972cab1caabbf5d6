// The small helpers of the tests: certificates that TLS accepts and refuses, servers that are no
// Redis, and chance that can be repeated.

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';

import { startPrivateServer } from '../../scripts/redis-server.js';
import { makeCertificates, SERVER_NAME } from './certificates.js';
import { answersText, closesAtOnce, greets, startFakeServer, staysSilent } from './fake-server.js';
import { seededRandom } from './seeded-random.js';
import { describeEachPrivateServer, describeEachServer } from './servers.js';
import { until } from './until.js';

describe('certificates', () => {
  test('open a TLS connection to a server that asks for a client certificate', async () => {
    const certificates = await makeCertificates();
    const { server: own, client, ca } = certificates;
    const server = await startPrivateServer({
      tls: { caFile: certificates.caFile, ...own, requireClientCertificate: true },
    });
    const socket = tls.connect({
      host: server.host,
      port: server.tlsPort!,
      servername: SERVER_NAME,
      ca,
      cert: client.cert,
      key: client.key,
    });
    await once(socket, 'secureConnect');
    socket.write('PING\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toBe('+PONG\r\n');
    socket.destroy();
    await server.stop();
    certificates.remove();
    expect(existsSync(certificates.caFile)).toBe(false);
  });

  test('of two calls do not trust each other', async () => {
    const [own, other] = await Promise.all([makeCertificates(), makeCertificates()]);
    const server = await startPrivateServer({ tls: { caFile: own.caFile, ...own.server } });
    const socket = tls.connect({ host: server.host, port: server.tlsPort!, ca: other.ca });
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toMatch(/certificate/);
    await server.stop();
    own.remove();
    other.remove();
  });
});

describe('a fake server', () => {
  async function talk(behaviour: Parameters<typeof startFakeServer>[0]): Promise<string> {
    const server = await startFakeServer(behaviour);
    const socket = net.connect({ host: server.host, port: server.port });
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes.toString();
    });
    socket.on('end', () => {
      answer += '<end>';
    });
    socket.write('PING\r\n');
    await until(() => server.received === 'PING\r\n');
    await until(() => answer !== '', 50).catch(() => undefined);
    socket.destroy();
    await server.stop();
    expect(server.acceptedConnections).toBe(1);
    return answer;
  }

  test('answers text, stays silent, closes or greets', async () => {
    expect(await talk(answersText())).toMatch(/^HTTP\/1\.1 400/);
    expect(await talk(staysSilent)).toBe('');
    expect(await talk(closesAtOnce)).toBe('<end>');
    expect(await talk(greets('220 ready\r\n'))).toBe('220 ready\r\n');
  });
});

describe('seeded random', () => {
  test('repeats its numbers for the same seed, within the limits', () => {
    const [first, second] = [seededRandom(7), seededRandom(7)];
    for (let count = 0; count < 1_000; count += 1) {
      const number = first.integer(-2, 2);
      expect(second.integer(-2, 2)).toBe(number);
      expect(Math.abs(number)).toBeLessThanOrEqual(2);
    }
    expect(seededRandom(8).next()).not.toBe(seededRandom(7).next());
    expect(['a', 'b']).toContain(first.pick(['a', 'b']));
  });
});

describeEachPrivateServer(
  'the suite helper',
  (server) => {
    test('gives a running private server with the options', async () => {
      expect(server().running).toBe(true);
      expect(server().url).toContain(':secret@');
    });
  },
  { password: 'secret' },
);

describeEachServer('the suite helper', (server) => {
  test('gives an address', () => {
    expect(server().url).toMatch(/^rediss?:/);
  });
});
