// ops/nginx/plimsoll-auth.conf as it stands, but for ports and paths, in front of the service as it is
// run: TLS, the client's own address, nothing for operators, and no request lost in a reload.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../scripts/free-port.js';
import { GuardedProcess } from '../../../scripts/guarded-process.js';
import { ensureNginx } from '../../../scripts/redis-server.js';
import { type Certificates, makeCertificates } from '../../../test/support/certificates.js';
import { useServer } from '../../../test/support/servers.js';
import { until } from '../../../test/support/until.js';
import { endServices, type RunningService, startService } from './support/primary.js';

const EXAMPLE = path.join(import.meta.dirname, '../../../ops/nginx/plimsoll-auth.conf');
/** Whom nginx sees: another address than its own. */
const CLIENT = '127.0.0.2';
const CLIENTS = 4;
/** On a machine that may be busy, ms. */
const WITHIN_MS = 60_000;

const nginx = await ensureNginx();

/** The example with its addresses replaced, and what Debian's nginx.conf has around it. */
function configuration(ports: { http: number; https: number; service: number }, pair: object) {
  const { certFile, keyFile } = pair as Record<string, string>;
  const site = readFileSync(EXAMPLE, 'utf8')
    .replace('listen 80;', `listen 127.0.0.1:${ports.http};`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${ports.https} ssl`)
    .replace(/^.*listen \[::\].*\n/gm, '')
    .replace('127.0.0.1:8000', `127.0.0.1:${ports.service}`)
    .replace('/etc/ssl/plimsoll-auth/fullchain.pem', certFile!)
    .replace('/etc/ssl/plimsoll-auth/privkey.pem', keyFile!);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${name};`)
    .join(' ');
  return `${process.geteuid?.() === 0 ? 'user root;' : ''}
daemon off; pid nginx.pid; error_log stderr notice;
events { worker_connections 256; }
http { access_log off; ${temporary}
${site}
}
`;
}

describe('behind nginx', () => {
  const server = useServer();
  const ports = { http: 0, https: 0, service: 0 };
  let certificates: Certificates;
  let service: RunningService;
  let proxy: GuardedProcess;
  let agent: Agent;

  beforeEach(({ skip }) => skip(nginx === undefined, 'no nginx; apt-get install nginx'));
  beforeAll(async () => {
    if (nginx === undefined) return;
    certificates = await makeCertificates();
    service = await startService(server().url, { AUTH_TRUST_PROXY: 'loopback' });
    ports.service = Number(new URL(service.url).port);
    ports.http = await freePort();
    ports.https = await freePort();
    const folder = mkdtempSync(path.join(tmpdir(), 'plimsoll-nginx-'));
    writeFileSync(path.join(folder, 'nginx.conf'), configuration(ports, certificates.server));
    const command = [nginx, '-e', 'stderr', '-p', folder, '-c', 'nginx.conf'];
    await promisify(execFile)(nginx, [...command.slice(1), '-t']);
    proxy = await GuardedProcess.start(folder, command);
    agent = new Agent({ keepAlive: true, maxSockets: CLIENTS, ca: certificates.ca });
    await until(
      async () => (await ask('/health/ready').catch(() => undefined))?.status === 200,
      WITHIN_MS,
    );
  }, 2 * WITHIN_MS);
  afterAll(async () => {
    agent?.destroy();
    await proxy?.destroy();
    await endServices();
    certificates?.remove();
  });

  interface Answer {
    readonly status: number;
    readonly headers: Record<string, unknown>;
    readonly body: string;
  }

  function ask(url: string, json?: object, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const method = json === undefined ? 'GET' : 'POST';
      const options = { port: ports.https, agent, localAddress: CLIENT, method };
      const type = json === undefined ? {} : { 'content-type': 'application/json' };
      const call = request(
        { ...options, host: '127.0.0.1', path: url, headers: { ...type, ...headers } },
        async (response) => {
          const chunks = await response.toArray();
          const { statusCode: status = 0, headers: fields } = response;
          resolve({ status, headers: fields, body: chunks.join('') });
        },
      );
      call.once('error', reject);
      call.end(json === undefined ? undefined : JSON.stringify(json));
    });
  }

  test('accounts, tokens and security headers pass', async () => {
    const credentials = { username: 'ann-behind-nginx', password: 'correct horse battery' };
    expect((await ask('/auth/register', credentials)).status).toBe(201);
    const login = await ask('/auth/login', credentials);
    const { access_token } = JSON.parse(login.body) as { access_token: string };
    const verified = await ask('/auth/verify', undefined, {
      authorization: `Bearer ${access_token}`,
    });
    expect([verified.status, JSON.parse(verified.body).username]).toEqual([
      200,
      credentials.username,
    ]);
    expect(verified.headers['strict-transport-security']).toMatch(/max-age=\d{8}/);
    const large = await ask('/auth/login', { ...credentials, password: 'x'.repeat(5_000) });
    expect([large.status, JSON.parse(large.body).code]).toEqual([413, 'BODY_TOO_LARGE']);
  });

  test('a failed login counts against the client’s own address, whatever it says of itself', async () => {
    const wrong = { username: 'nobody-behind-nginx', password: 'a wrong password' };
    await ask('/auth/login', wrong, { 'x-forwarded-for': '192.0.2.66' });
    await until(() => service.output().includes('"event":"login_failed"'));
    const line = service
      .output()
      .split('\n')
      .find((text) => text.includes('login_failed'))!;
    expect((JSON.parse(line) as { address: string }).address).toBe(CLIENT);
    expect(service.output()).not.toContain('proxy_untrusted');
  });

  test('what is for operators is not there', async () => {
    for (const url of [
      '/metrics',
      '/dashboard/events',
      '/health/redis',
      '/metrics?x=1',
      '//metrics',
      '/x/../metrics',
      '/%6detrics',
    ]) {
      expect((await ask(url)).status, url).toBe(404);
    }
  });

  test('plain HTTP is sent on to HTTPS, and no request before it reaches the service', async () => {
    const call = plainRequest({ port: ports.http, host: '127.0.0.1', path: '/auth/verify?x=1' });
    call.end();
    const [response] = await once(call, 'response');
    expect([response.statusCode, response.headers.location]).toEqual([
      308,
      'https://127.0.0.1/auth/verify?x=1',
    ]);
  });

  test(
    'a reload of the service loses no request',
    async () => {
      const failures: string[] = [];
      let asked = 0;
      let isOver = false;
      const clients = Array.from({ length: CLIENTS }, async () => {
        while (!isOver) {
          const answer = await ask('/health/ready').catch((error) => ({ status: String(error) }));
          if (answer.status !== 200) failures.push(String(answer.status));
          asked++;
        }
      });
      await until(() => asked > 50, WITHIN_MS);
      service.primary.kill('SIGHUP');
      await until(() => service.output().includes('"event":"reloaded"'), WITHIN_MS);
      const askedBefore = asked;
      await until(() => asked > askedBefore + 50, WITHIN_MS);
      isOver = true;
      await Promise.all(clients);
      expect(failures).toEqual([]);
    },
    2 * WITHIN_MS,
  );
});
