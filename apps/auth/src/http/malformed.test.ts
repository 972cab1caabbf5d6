import Fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refuseMalformed } from './malformed.js';
import { problemOf, sendProblem } from './problem-answers.js';

const FORM = 'application/x-www-form-urlencoded';

describe('malformed requests', () => {
  const app = Fastify();
  beforeAll(() => {
    refuseMalformed(app);
    app.setErrorHandler((error: Error, _request, reply) =>
      sendProblem(reply, problemOf(error as never)),
    );
    app.post('/echo', async (request) => request.body);
    app.get('/things/:id', async () => ({}));
    app.delete('/things/:id', async () => ({}));
  });
  afterAll(() => app.close());

  const send = async (type: string, payload: string | Buffer) => {
    const headers = { 'content-type': type };
    const answer = await app.inject({ method: 'POST', url: '/echo', payload, headers });
    return [answer.statusCode, answer.json()];
  };

  test.each([
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a=%C3%A9&b', { a: 'é', b: '' }],
    ['', {}],
  ])('the form %j is taken', async (text, expected) => {
    expect(await send(FORM, text)).toEqual([200, expected]);
  });

  test.each(['a=1&a=2', 'a=1&b=2&%61=1', 'a&a', '__proto__=1&__proto__=2'])(
    'the form %j has a parameter twice',
    async (text) => {
      const [status, problem] = await send(FORM, text);
      expect([status, problem.detail]).toEqual([400, 'body has a parameter more than once']);
    },
  );

  // Else two passwords would be the same: each byte that is no text becomes the same sign.
  test.each([
    [FORM, 'a=%FF'],
    [FORM, Buffer.from([0x61, 0x3d, 0xff])],
    ['application/json', Buffer.from([0x22, 0xff, 0x22])],
    ['application/json', Buffer.from('"\u00e9"', 'latin1')],
    ['application/json', Buffer.from('"text"', 'utf16le')],
  ])('a body of type %s that is no UTF-8 is refused', async (type, payload) => {
    expect((await send(type, payload))[0]).toBe(400);
  });

  test.each([
    'text/plain',
    'text/json',
    'application/json5',
    'application/xml',
    'application/jsonp',
  ])('a body of type %s is refused', async (type) => {
    expect((await send(type, '{}'))[0]).toBe(415);
  });

  test('a form that a page sends is refused, as its visitor was not asked', async () => {
    for (const origin of ['https://elsewhere.test', 'null']) {
      const answer = await app.inject({
        method: 'POST',
        url: '/echo',
        payload: 'a=1',
        headers: { 'content-type': FORM, origin },
      });
      expect(answer.statusCode).toBe(415);
    }
  });

  test('methods of a path with a parameter are named', async () => {
    const answer = await app.inject({ method: 'PUT', url: '/things/1?x=1' });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD, DELETE']);
    for (const url of ['/things', '/things/1/2', '/thing/1']) {
      expect((await app.inject({ method: 'PUT', url })).statusCode).toBe(404);
    }
  });

  test('an id that is too long is refused, not a fault of ours', async () => {
    const answer = await app.inject(`/things/${'x'.repeat(1_000)}`);
    expect(answer.statusCode).toBeGreaterThanOrEqual(400);
    expect(answer.statusCode).toBeLessThan(500);
  });
});
