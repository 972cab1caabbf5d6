import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import { createPool } from '../create-pool.js';
import { resolveOptions } from './resolve.js';

function problemsOf(options: object): readonly string[] {
  return problemsIn(() => resolveOptions(options, {}));
}

describe("options of node-redis' createClient()", () => {
  it('are read as ours', () => {
    const reconnectStrategy = (retries: number) => retries * 50;
    const resolved = resolveOptions(
      {
        socket: {
          ...{ host: 'cache', port: 6_380, family: 6, connectTimeout: 750, noDelay: true },
          ...{ keepAlive: true, keepAliveInitialDelay: 7_000, reconnectStrategy },
          ...{ tls: true, servername: 'cache.example' },
        },
        ...{ username: 'app', password: 'pw', name: 'shop', database: 2, readonly: true },
        ...{ pingInterval: 5_000, commandsQueueMaxLength: 100, disableOfflineQueue: true },
        ...{ maintNotifications: 'auto', breaker: { failures: 2 } },
      },
      {},
    );
    const { target, breaker } = resolved;
    expect(target).toMatchObject({ host: 'cache', port: 6_380, family: 6, connectTimeoutMs: 750 });
    expect(target).toMatchObject({ keepAliveMs: 7_000, username: 'app', name: 'shop' });
    expect(target).toMatchObject({ database: 2, readonly: true });
    expect(target.tls?.reveal()).toEqual({ servername: 'cache.example' });
    expect(resolved).toMatchObject({ healthCheckIntervalMs: 5_000, maxWaiters: 100 });
    expect(resolved.reconnectStrategy).toBe(reconnectStrategy);
    expect([breaker.failures, breaker.patienceMs]).toEqual([2, 0]);
  });

  it('name a server in their socket, so that the environment names none', () => {
    const env = { REDIS_HOST: 'other', REDIS_PASSWORD: 'hunter2' };
    const { target } = resolveOptions({ socket: { path: '/run/redis.sock' } }, env);
    expect([target.path, target.password]).toEqual(['/run/redis.sock', undefined]);
    const { target: own } = resolveOptions({ socket: { host: 'cache' } }, env);
    expect([own.host, own.password]).toEqual(['cache', undefined]);
  });

  it('let a url say where the server is, and a rediss:// that it wants TLS', () => {
    const socket = { host: 'other', port: 1, connectTimeout: 9, ca: [], rejectUnauthorized: false };
    const { target } = resolveOptions({ url: 'rediss://cache:7/1', socket }, {});
    expect(target).toMatchObject({ host: 'cache', port: 7, database: 1, connectTimeoutMs: 9 });
    expect(target.tls?.reveal()).toEqual({ ca: [], rejectUnauthorized: false });
  });

  it.each([
    [{ socket: 5 }, /^socket must be an object, not/],
    [{ socket: { hots: 'hunter2' } }, /^socket\.hots has no meaning here/],
    [{ socket: { ca: 'hunter2' } }, /^socket\.ca has no meaning here/],
    [{ socket: { socketTimeout: 1 } }, /^socket\.socketTimeout .*commandTimeoutMs/],
    [{ socket: { keepAlive: false } }, /^socket\.keepAlive is always true/],
    [{ socket: { host: 'a' }, host: 'b' }, /^socket\.host is host here: give one of them/],
    [{ socket: { reconnectStrategy: false } }, /^reconnectStrategy must not be false/],
    [{ socket: { reconnectStrategy: 'x' } }, /^reconnectStrategy must be a function, or a whole/],
    [{ pingInterval: 0 }, /^healthCheckIntervalMs must be/],
    [{ pingInterval: 1, healthCheckIntervalMs: 2 }, /^pingInterval is healthCheckIntervalMs here/],
    [{ disableOfflineQueue: 1 }, /^disableOfflineQueue must be true or false/],
    [{ clientSideCache: {} }, /^clientSideCache is not an option here: there is no/],
    [{ emitInvalidate: true }, /^emitInvalidate is not an option here/],
    [{ maintNotifications: 'enabled' }, /^maintNotifications is not an option here/],
    [{ maintRelaxedCommandTimeout: 1 }, /^maintRelaxedCommandTimeout .* see commandTimeoutMs/],
    [{ minimum: 1 }, /^minimum is not an option; did you mean minConnections\?/],
    [{ cleanupDelay: 1 }, /^cleanupDelay is not an option; did you mean idleTimeoutMs\?/],
  ])('that have no meaning are refused: %j', (options, problem) => {
    const problems = problemsOf(options);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).not.toContain('hunter2');
  });

  it('of its pool are not taken for the environment', () => {
    const env = { minimum: 1, maximum: 2 } as unknown as NodeJS.ProcessEnv;
    expect(problemsIn(() => void createPool({}, env))).toEqual([
      'minimum is not an option here: give minConnections, in the first argument',
      'maximum is not an option here: give maxConnections, in the first argument',
    ]);
  });
});
