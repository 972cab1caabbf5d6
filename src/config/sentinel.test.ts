import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { resolveOptions } from './resolve.js';

const nodes = [{ host: 'one' }];

function problemsOf(options: object, env: NodeJS.ProcessEnv = {}): readonly string[] {
  return problemsIn(() => resolveOptions(options, env));
}

describe('sentinel', () => {
  it('is resolved with its defaults, and prints no secret', () => {
    const sentinel = { name: 'harbour', nodes: [{ host: '[::1]' }], password: 'hush', tls: true };
    const { target } = resolveOptions({ sentinel }, {});
    expect(target.sentinel).toMatchObject({
      name: 'harbour',
      nodes: [{ host: '::1', port: 26_379 }],
    });
    expect(JSON.stringify(target)).not.toContain('hush');
    expect(target.tls).toBeUndefined();
  });

  it.each([
    [{}, ['sentinel.name must be the name', 'sentinel.nodes must be a list']],
    [{ name: 'a', nodes: [] }, ['sentinel.nodes must be a list']],
    [{ name: 'a', nodes: [{ host: 'redis://x' }] }, ['sentinel.nodes has an entry']],
    [{ name: 'a', nodes: [{ host: 'x', port: 0 }] }, ['sentinel.nodes has an entry']],
    [{ name: '', nodes }, ['sentinel.name must be']],
    [{ name: 'a', nodes, user: 'x' }, ['sentinel.user is not an option']],
    [{ name: 'a', nodes, username: 'x' }, ['sentinel.username needs a password']],
    [{ name: 'a', nodes, tls: { ca: 'none' } }, ['sentinel.tls ']],
    [{ name: 'a', nodes, addressMap: 'x' }, ['sentinel.addressMap must be']],
    ['harbour', ['sentinel must be an object']],
  ])('refuses %j', (sentinel, expected) => {
    const problems = problemsOf({ sentinel });
    expect(problems).toHaveLength(expected.length);
    for (const [index, text] of expected.entries()) expect(problems[index]).toContain(text);
  });

  it('excludes what else would name a server', () => {
    const sentinel = { name: 'a', nodes };
    for (const other of [{ url: 'redis://h' }, { host: 'h' }, { port: 1 }, { path: '/s' }]) {
      expect(problemsOf({ sentinel, ...other })).toEqual([
        expect.stringContaining('sentinel excludes url, host, port and path'),
      ]);
    }
    const env = { REDIS_URL: 'redis-sentinel://one/a', REDIS_HOST: 'h' };
    expect(problemsOf({}, env)).toEqual([expect.stringContaining('REDIS_URL names sentinels')]);
  });

  it('is not sent what the environment says of another server', () => {
    const env = { REDIS_HOST: 'h', REDIS_PASSWORD: 'hush', REDIS_DB: '3' };
    const { target } = resolveOptions({ sentinel: { name: 'a', nodes } }, env);
    expect([target.password, target.database]).toEqual([undefined, 0]);
  });
});
