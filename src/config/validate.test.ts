import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { Problems } from './problems.js';
import { NUMBER_RANGES } from './ranges.js';
import { validateOptions } from './validate.js';

function problemsOf(options: unknown): readonly string[] {
  const problems = new Problems();
  validateOptions(options, problems);
  return problemsIn(() => problems.throwIfAny());
}

/** `retry.capMs` and 5 make `{ retry: { capMs: 5 } }`. */
function nested(name: string, value: unknown): object {
  const [outer, inner] = name.split('.') as [string, string?];
  return { [outer]: inner === undefined ? value : { [inner]: value } };
}

describe('validateOptions', () => {
  it('takes every option at both ends of its range', () => {
    for (const [name, { least, most }] of Object.entries(NUMBER_RANGES)) {
      expect(problemsOf(nested(name, least))).toEqual([]);
      expect(problemsOf(nested(name, most))).toEqual([]);
    }
  });

  it('refuses every number beyond its range, of another type or not whole', () => {
    for (const [name, range] of Object.entries(NUMBER_RANGES)) {
      const wrong: unknown[] = [
        range.least - 1,
        range.most + 1,
        NaN,
        Infinity,
        '1',
        null,
        true,
        {},
      ];
      if (!('fractions' in range)) wrong.push(range.least + 0.5);
      for (const value of wrong) {
        const problems = problemsOf(nested(name, value));
        expect(problems).toHaveLength(1);
        expect(problems[0]!.startsWith(`${name} must be a`)).toBe(true);
      }
    }
  });

  it.each([
    ['url', 'redis://h', [1, '', null, new URL('redis://h')]],
    ['host', 'cache', [1, '', 'redis://h', 'h:6379', 'a b', 'u@h', 'a/b', '[h]']],
    ['host', '::1', [':::1']],
    ['host', '[::1]', []],
    ['path', '/run/redis.sock', [1, '']],
    ['username', 'app', [1, '', {}]],
    ['password', 'pw', [1, '', {}, null]],
    ['password', () => 'pw', []],
    ['tls', true, [1, 'yes', null, [], { host: 'h' }, { socket: {} }]],
    ['tls', { servername: 'h' }, [{ path: '/s' }, { onread: {} }]],
    ['name', 'web-1', [1, '', 'two words', 'line\n', 'ä', 'x'.repeat(129)]],
    ['environment', 'staging', ['prod', 'Production', 1, '']],
    ['retry', { jitter: true }, [true, 3, [], null]],
    ['retryWrites', 'always', [true, 'sometimes']],
    ['breaker', {}, [false, 4]],
    ['fallback', () => null, [{}, 'value']],
    ['RESP', 2, [1, 4, '3']],
    ['modules', {}, ['json', null, []]],
    ['scripts', {}, [1]],
    ['functions', {}, [1]],
    ['keyPrefix', 'app:', [1, {}]],
    ['keyPrefix', Buffer.from('app:'), []],
    ['commandOptions', {}, [1]],
    ['clock', { now: () => 0 }, [{}, 0]],
  ])('takes a right %s and refuses wrong ones', (name, right, wrong) => {
    expect(problemsOf({ [name]: right })).toEqual([]);
    for (const value of wrong) {
      const problems = problemsOf({ [name]: value });
      expect(problems).toHaveLength(1);
      expect(problems[0]!.startsWith(`${name} must `)).toBe(true);
    }
  });

  it('takes undefined for absent', () => {
    expect(problemsOf({ host: undefined, retry: { baseMs: undefined } })).toEqual([]);
  });

  it('refuses unknown names and says which was probably meant', () => {
    const options = {
      maxConections: 1,
      db: 1,
      colour: 1,
      retry: { retires: 1 },
      breaker: { max: 1 },
    };
    expect(problemsOf(options)).toEqual([
      'maxConections is not an option; did you mean maxConnections?',
      'db is not an option; did you mean database?',
      'colour is not an option',
      'retry.retires is not an option; did you mean retry.retries?',
      'breaker.max is not an option; did you mean breaker.maxPauseMs?',
    ]);
  });

  it('refuses names that every object inherits', () => {
    expect(problemsOf({ constructor: 1, toString: 1 })).toHaveLength(2);
    expect(problemsOf(JSON.parse('{"__proto__": 1}'))).toHaveLength(1);
  });

  it('suggests a choice', () => {
    expect(problemsOf({ environment: 'prod' })[0]).toMatch(/did you mean production\?$/);
  });

  it('refuses options that are no object', () => {
    for (const options of ['redis://u:hunter2@h', null, 5, [], () => undefined]) {
      const problems = problemsOf(options);
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(/^The options must be an object, not /);
      expect(problems[0]).not.toContain('hunter2');
    }
  });

  it('repeats no text, wherever a secret was put by mistake', () => {
    const secret = 'hunter2 is secret';
    const names = ['url', 'host', 'port', 'name', 'tls', 'environment', 'maxWaiters', 'fallback'];
    const options = Object.fromEntries([...names, secret].map((name) => [name, secret]));
    expect(problemsOf(options).join()).not.toContain('hunter2');
    expect(problemsOf({ password: 271_828, username: 271_828 }).join()).not.toContain('271');
  });
});
