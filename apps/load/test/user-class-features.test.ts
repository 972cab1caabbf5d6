// What a user class may ask of its users' lives and requests, against a real server.

import { describe, expect, it } from 'vitest';
import type { Ledger } from '../src/stats/ledger.js';
import { constant, defineUser, type User, type UserClass } from '../src/user-class.js';
import { generate } from './support/generate.js';
import { answerOk, type HttpService, startHttpService } from './support/http-service.js';

const LONG_MS = 10_000;
const visits = (...paths: string[]): UserClass['tasks'] =>
  paths.map((path) => ({ name: path, run: (user) => user.get(path) }));

describe.concurrent('users', () => {
  it('run the tasks of a sequence in order', async ({ onTestFinished }) => {
    const service = await startHttpService(answerOk);
    onTestFinished(() => service.close());
    const tasks = visits('/a', '/b', '/c');
    const inOrder = defineUser({ name: 'Order', waitMs: constant(1), order: 'sequence', tasks });
    await generate(inOrder, service.url, LONG_MS, {}, () => service.paths.length > 6);
    expect(service.paths.slice(0, 6)).toEqual(['/a', '/b', '/c', '/a', '/b', '/c']);
  });

  it('come and go as the shape of the load says', async ({ onTestFinished }) => {
    const service = await startHttpService(answerOk);
    onTestFinished(() => service.close());
    const stages = [
      { fromMs: 0, users: 4, spawnRate: 100 },
      { fromMs: 1500, users: 1, spawnRate: 100 },
    ];
    let stopped = 0;
    const userClass = defineUser({
      name: 'Shaped',
      waitMs: constant(LONG_MS),
      onStart: (user) => user.get('/start'),
      onStop: async () => (stopped += 1),
      tasks: visits('/a'),
    });
    const plan = { steps: stages, users: 4, runTimeMs: LONG_MS };
    const overrides = { users: 4, plan };
    const isEnough = (ledger: Ledger) => stopped === 3 && ledger.windows()[0]?.users === 1;
    const { windows } = await generate(userClass, service.url, LONG_MS, overrides, isEnough);
    expect(service.paths.filter((path) => path === '/start')).toHaveLength(4);
    expect(Math.max(...windows.map(({ users }) => users))).toBe(4);
    expect(stopped, 'three of them before the end').toBe(4);
    expect(windows.some(({ steady }) => steady)).toBe(false);
  });

  it('run as many iterations as are asked for, all together', async ({ onTestFinished }) => {
    const service = await startHttpService(answerOk);
    onTestFinished(() => service.close());
    const userClass = defineUser({ name: 'Some', waitMs: constant(1), tasks: visits('/a') });
    const overrides = { users: 3, iterations: 20 };
    let idlePolls = 0;
    // Longer than any of the users waits, so that one too many would be seen.
    const isIdle = () => {
      if (service.paths.length >= 20) idlePolls += 1;
      return idlePolls > 5;
    };
    await generate(userClass, service.url, LONG_MS, overrides, isIdle);
    expect(service.paths).toHaveLength(20);
  });
});

/** Says what it was sent; redirects and sets cookies by path. */
async function echoing(): Promise<HttpService> {
  return startHttpService(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const path = request.url ?? '';
    if (path === '/set') response.setHeader('set-cookie', ['sid=1; Path=/', 'lang=en']);
    if (path.startsWith('/to/')) {
      response.statusCode = Number(path.slice('/to/'.length));
      response.setHeader('location', '../echo?x=1');
    }
    if (path === '/around') response.writeHead(302, { location: '/around' });
    if (path === '/away') response.writeHead(302, { location: 'http://127.0.0.1:9/' });
    const { method, headers } = request;
    const body = Buffer.concat(chunks).toString('latin1');
    response.end(JSON.stringify({ method, path, headers, body }));
  });
}

/** What one user sees who does this once. */
async function once(run: (user: User) => Promise<unknown>) {
  const service = await echoing();
  let isDone = false;
  const act = async (user: User) => {
    if (isDone) return;
    try {
      await run(user);
    } finally {
      isDone = true;
    }
  };
  const tasks = [{ name: 'once', run: act }];
  const userClass = defineUser({ name: 'Once', waitMs: constant(5), tasks });
  try {
    const { ledger } = await generate(userClass, service.url, LONG_MS, {}, () => isDone);
    expect(ledger.exceptions()).toEqual([]);
    return { ledger, service };
  } finally {
    await service.close();
  }
}

interface Echo {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

describe.concurrent('a request', () => {
  it('has a raw body, or several parts that a server reads as a form', async () => {
    await once(async (user) => {
      const body = Uint8Array.of(0, 13, 10, 255);
      const raw = await user.put('/echo', { body, headers: { 'content-type': 'image/x' } });
      expect(raw.json<Echo>()).toMatchObject({ method: 'PUT', body: '\0\r\n\xff' });
      const file = { filename: 'a"b.txt', content: 'line\r\n', type: 'text/plain' };
      const sent = await user.post('/echo', { multipart: { 'na"me': 'ä', file } });
      const { headers, body: text } = sent.json<Echo>()!;
      const type = headers['content-type']!;
      const form = await new Response(Buffer.from(text, 'latin1'), {
        headers: { 'content-type': type },
      }).formData();
      expect([...form.keys()]).toHaveLength(2);
      expect([...form.values()][0]).toBe('ä');
      expect(await (form.get('file') as File).text()).toBe('line\r\n');
    });
  });

  it('follows redirects on its host, as one row', async () => {
    const { ledger } = await once(async (user) => {
      for (const status of [301, 302, 303, 307, 308]) {
        const path = `/to/${status}`;
        const answer = await user.post(path, { json: { a: 1 }, name: 'redirected' });
        const keeps = status >= 307;
        expect(answer.json<Echo>()).toMatchObject({
          method: keeps ? 'POST' : 'GET',
          path: '/echo?x=1',
          body: keeps ? '{"a":1}' : '',
        });
      }
      expect((await user.get('/to/302', { redirects: 0 })).status).toBe(302);
      expect((await user.get('/to/302', { expect: [302] })).status).toBe(302);
      expect((await user.get('/away')).status, 'another host is not asked').toBe(302);
      expect((await user.get('/around')).error).toBe('more than 5 redirects');
    });
    const rows = ledger.totals(0).rows.map(({ name, count }) => `${name} ${count}`);
    expect(rows).toEqual(['/around 1', '/away 1', '/to/302 2', 'redirected 5']);
  });

  it('carries the cookies of its user', async () => {
    await once(async (user) => {
      await user.get('/set');
      const { headers } = (await user.get('/echo')).json<Echo>()!;
      expect(headers.cookie).toBe('sid=1; lang=en');
    });
  });

  it('can be declared a failure later, once', async () => {
    const { ledger } = await once(async (user) => {
      const [first, second] = [await user.get('/first'), await user.get('/second')];
      first.fail('it does not fit the second');
      first.fail('again');
      expect([first.ok, second.ok]).toEqual([false, true]);
    });
    expect(ledger.failures()).toEqual([
      { method: 'GET', name: '/first', error: 'it does not fit the second', occurrences: 1 },
    ]);
    expect(ledger.totals(0).aggregated).toMatchObject({ count: 2, failures: 1 });
  });
});
