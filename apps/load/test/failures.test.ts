// Each way in which a request can fail is counted as what it is, and the user goes on.

import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { FailureSummary } from '../src/stats/ledger.js';
import { constant, defineUser, type User } from '../src/user-class.js';
import { generate } from './support/generate.js';
import { type HttpService, startHttpService } from './support/http-service.js';

function once(run: (user: User) => Promise<unknown>) {
  let ran = false;
  const act = async (user: User) => {
    if (ran) return;
    ran = true;
    await run(user);
  };
  return defineUser({
    name: 'Once',
    waitMs: constant(1),
    tasks: [{ name: 'it', weight: 1, run: act }],
  });
}

async function failuresOf(host: string, run: (user: User) => Promise<unknown>) {
  const { ledger } = await generate(once(run), host, 400, { requestTimeoutMs: 150 });
  return ledger.failures();
}

async function misbehaving(): Promise<HttpService> {
  const service = await startHttpService((request, response) => {
    if (request.url === '/reset') return void request.socket.resetAndDestroy();
    if (request.url === '/silent') return;
    if (request.url === '/half') {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      return void setTimeout(() => request.socket.end(), 20);
    }
    if (request.url === '/close') response.setHeader('connection', 'close');
    response.statusCode = Number(request.url?.slice(1)) || 200;
    response.end('body');
  });
  return service;
}

describe.concurrent('a request', () => {
  it.for<[string, RegExp]>([
    ['/500', /^unexpected status 500$/],
    ['/503', /^unexpected status 503$/],
    ['/reset', /^connection reset \(ECONNRESET\)$/],
    ['/silent', /^timed out after 150 ms$/],
    ['/half', /^connection closed before the response was complete$/],
  ])('%s is a failure', async ([path, error], { onTestFinished }) => {
    const service = await misbehaving();
    onTestFinished(() => service.close());
    const failures = await failuresOf(service.url, async (user) => {
      expect((await user.get(path)).ok).toBe(false);
      expect((await user.get('/200', { expect: 200 })).ok, 'the user goes on').toBe(true);
    });
    expect(failures).toEqual([
      { method: 'GET', name: path, error: expect.stringMatching(error), occurrences: 1 },
    ] satisfies FailureSummary[]);
  });

  it('a refused connection is a failure', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const failures = await failuresOf(`http://127.0.0.1:${port}`, (user) => user.get('/'));
    expect(failures.map(({ error }) => error)).toEqual(['connection refused (ECONNREFUSED)']);
  });

  it('a wrong expectation is a failure: a status, several, or a check of its own', async ({
    onTestFinished,
  }) => {
    const service = await misbehaving();
    onTestFinished(() => service.close());
    const failures = await failuresOf(service.url, async (user) => {
      await user.get('/201', { expect: 200 });
      await user.get('/404', { expect: [200, 204] });
      await user.get('/200', { name: 'checked', expect: () => 'the body is too plain' });
      await user.get('/404', { name: 'fine', expect: 404 });
    });
    expect(failures.map(({ name, error }) => `${name}: ${error}`).sort()).toEqual([
      '/201: expected 200, got 201',
      '/404: expected 200 or 204, got 404',
      'checked: the body is too plain',
    ]);
  });

  it('what a task throws is an exception and no request', async ({ onTestFinished }) => {
    const service = await misbehaving();
    onTestFinished(() => service.close());
    const throwing = once(async () => {
      throw new Error('no such field');
    });
    const { ledger } = await generate(throwing, service.url, 200);
    expect(ledger.exceptions()).toMatchObject([{ message: 'no such field', count: 1 }]);
    expect(ledger.totals(Date.now()).rows).toEqual([]);
  });

  it('two requests at a time of one user are misuse', async ({ onTestFinished }) => {
    const service = await misbehaving();
    onTestFinished(() => service.close());
    const greedy = once((user) => Promise.all([user.get('/200'), user.get('/200')]));
    const { ledger } = await generate(greedy, service.url, 300);
    expect(ledger.exceptions()[0]!.message).toMatch(/one request at a time/);
  });

  it('a connection that the service closes is opened again, without a failure', async ({
    onTestFinished,
  }) => {
    const service = await misbehaving();
    onTestFinished(() => service.close());
    const closing = once(async (user) => {
      await user.get('/close');
      await user.get('/close');
    });
    const { ledger, windows } = await generate(closing, service.url, 300);
    expect(ledger.failures()).toEqual([]);
    expect(windows.at(-1)!.reconnects).toBe(1);
  });
});
