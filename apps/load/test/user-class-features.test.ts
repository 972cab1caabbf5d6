// What a user class may ask of its users' lives and requests, against a real server.

import { describe, expect, it } from 'vitest';
import { constant, defineUser, type UserClass } from '../src/user-class.js';
import { generate } from './support/generate.js';
import { answerOk, startHttpService } from './support/http-service.js';

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
