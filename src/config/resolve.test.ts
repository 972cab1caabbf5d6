import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { problemsIn } from '../../test/support/problems.js';
import type { InvalidOptionsError } from '../errors.js';
import { DEFAULT_LANE_DEPTH, DEFAULTS } from './defaults.js';
import type { ClientOptionsSubset, PoolOptions } from './options.js';
import { resolveOptions } from './resolve.js';

function problemsOf(options: PoolOptions & ClientOptionsSubset, env: NodeJS.ProcessEnv = {}) {
  return problemsIn(() => resolveOptions(options, env));
}

/** Environment, workers and connections of this process. */
function sizeOf(env: NodeJS.ProcessEnv, options: PoolOptions = {}) {
  const { environment, workers, maxConnections } = resolveOptions(options, env);
  return [environment, workers, maxConnections];
}

describe('the environment', () => {
  it('is development where nothing says otherwise', () => {
    expect(sizeOf({})).toEqual(['development', 1, 20]);
  });

  it('comes from DEPLOYMENT_ENV, with the preset that belongs to it', () => {
    expect(sizeOf({ DEPLOYMENT_ENV: 'development' })).toEqual(['development', 1, 20]);
    expect(sizeOf({ DEPLOYMENT_ENV: 'staging' })).toEqual(['staging', 2, 30]);
    expect(sizeOf({ DEPLOYMENT_ENV: ' Production ' })).toEqual(['production', 4, 40]);
  });

  it('comes from NODE_ENV where DEPLOYMENT_ENV is absent or empty', () => {
    expect(sizeOf({ NODE_ENV: 'production' })[0]).toBe('production');
    expect(sizeOf({ NODE_ENV: ' Production ' })[0]).toBe('production');
    expect(sizeOf({ NODE_ENV: 'production', DEPLOYMENT_ENV: '' })[0]).toBe('production');
    expect(sizeOf({ NODE_ENV: 'production', DEPLOYMENT_ENV: 'staging' })[0]).toBe('staging');
  });

  it('is development for a NODE_ENV that means nothing here', () => {
    for (const NODE_ENV of ['test', 'ci', '']) expect(sizeOf({ NODE_ENV })[0]).toBe('development');
  });

  it('is refused where DEPLOYMENT_ENV is unknown', () => {
    expect(problemsOf({}, { DEPLOYMENT_ENV: 'prod' })).toEqual([
      'DEPLOYMENT_ENV must be development, staging or production; did you mean production?',
    ]);
  });

  it('comes from the option before anything else', () => {
    expect(sizeOf({ DEPLOYMENT_ENV: 'moon' }, { environment: 'staging' })[0]).toBe('staging');
  });
});

describe('the size', () => {
  const production = { DEPLOYMENT_ENV: 'production' };

  it('takes the workers from WEB_CONCURRENCY, then UVICORN_WORKERS', () => {
    expect(sizeOf({ WEB_CONCURRENCY: '3', UVICORN_WORKERS: '5' })[1]).toBe(3);
    expect(sizeOf({ WEB_CONCURRENCY: '', UVICORN_WORKERS: '5' })[1]).toBe(5);
    expect(sizeOf({ WEB_CONCURRENCY: 'many' }, { workers: 6 })[1]).toBe(6);
  });

  it('follows the formula, 40 a worker, where the workers are not the preset number', () => {
    expect(sizeOf({ ...production, WEB_CONCURRENCY: '8' })).toEqual(['production', 8, 40]);
    expect(sizeOf({ WEB_CONCURRENCY: '2' })).toEqual(['development', 2, 40]);
  });

  it('divides REDIS_MAX_CONNECTIONS, a total, by the workers', () => {
    expect(sizeOf({ ...production, REDIS_MAX_CONNECTIONS: '100' })[2]).toBe(25);
    expect(sizeOf({ ...production, REDIS_MAX_CONNECTIONS: '7' })[2]).toBe(1);
    expect(sizeOf({ ...production, REDIS_MAX_CONNECTIONS: '2' })[2]).toBe(1);
  });

  it('takes maxConnections as it is, for this process', () => {
    const env = { ...production, REDIS_MAX_CONNECTIONS: '100' };
    expect(sizeOf(env, { maxConnections: 7 })[2]).toBe(7);
  });

  it('refuses numbers that are none', () => {
    const wrong = { WEB_CONCURRENCY: '0', REDIS_MAX_CONNECTIONS: '1e3' };
    expect(problemsOf({}, wrong)).toEqual([
      'WEB_CONCURRENCY must be a whole number from 1 to 10,000',
      'REDIS_MAX_CONNECTIONS must be a whole number from 1 to 65,535',
    ]);
  });

  it('refuses minConnections above maxConnections, wherever that came from', () => {
    const above = ['minConnections (21) is above maxConnections (20)'];
    expect(problemsOf({ minConnections: 21 })).toEqual(above);
    expect(problemsOf({ minConnections: 21, maxConnections: 20 })).toEqual(above);
    expect(problemsOf({ minConnections: 20, maxConnections: 20 })).toEqual([]);
  });

  it('reports no consequence of a problem that is reported already', () => {
    expect(problemsOf({ minConnections: 50, maxConnections: -1 })).toHaveLength(1);
    expect(problemsOf({ minConnections: 50 }, { REDIS_MAX_CONNECTIONS: 'x' })).toHaveLength(1);
  });
});

describe('depths and waits', () => {
  it('lower the default laneDepth to an explicit maxInFlight', () => {
    expect(resolveOptions({}, {}).laneDepth).toBe(DEFAULT_LANE_DEPTH);
    expect(resolveOptions({ maxInFlight: 1 }, {})).toMatchObject({ maxInFlight: 1, laneDepth: 1 });
  });

  it('raise the default maxInFlight to an explicit laneDepth', () => {
    const resolved = resolveOptions({ laneDepth: 10_000 }, {});
    expect(resolved).toMatchObject({ maxInFlight: 10_000, laneDepth: 10_000 });
  });

  it('are refused where two explicit values contradict each other', () => {
    expect(problemsOf({ maxInFlight: 10, laneDepth: 11 })).toEqual([
      'laneDepth (11) is above maxInFlight (10)',
    ]);
    expect(problemsOf({ retry: { baseMs: 1_000, capMs: 999 } })).toEqual([
      'retry.baseMs (1,000) is above retry.capMs (999)',
    ]);
  });

  it('let the defaults of retry give way too', () => {
    expect(resolveOptions({ retry: { baseMs: 1_000 } }, {}).retry.capMs).toBe(1_000);
    expect(resolveOptions({ retry: { capMs: 4 } }, {}).retry.baseMs).toBe(4);
  });

  it('keep the other defaults of retry and breaker where one is given', () => {
    const { retry, breaker } = resolveOptions({ retry: { retries: 0 }, breaker: {} }, {});
    expect(retry).toEqual({ retries: 0, baseMs: 8, factor: 4, capMs: 512, jitter: false });
    expect(breaker).toEqual({ failures: 4, maxPauseMs: 512, patienceMs: 2_000 });
  });
});

describe('the outcome', () => {
  it('is every default where nothing is given', () => {
    const { host, port, family, database, name, disableClientInfo, RESP, ...others } = DEFAULTS;
    const { connectTimeoutMs, keepAliveMs, maxReplyBytes, reads, readonly, ...rest } = others;
    const dialing = { protocol: RESP, connectTimeoutMs, keepAliveMs, maxReplyBytes, readonly };
    const target = { host, port, family, database, name, reads, disableClientInfo, ...dialing };
    const absent = { path: undefined, username: undefined, password: undefined, tls: undefined };
    expect(resolveOptions({}, {})).toEqual({
      ...rest,
      workers: 1,
      endpoints: [],
      maxConnections: 20,
      fallback: undefined,
      warnings: [],
      target: { ...target, ...absent },
    });
  });

  it('reads process.env by default', () => {
    expect(resolveOptions().environment).toBe(resolveOptions({}, process.env).environment);
  });

  it('leaves out what only the client needs, and takes the protocol from RESP', () => {
    const options = { RESP: 2, modules: {}, keyPrefix: 'app:', clock: { now: () => 0 } } as const;
    const resolved = resolveOptions(options, {});
    expect(resolved.target.protocol).toBe(2);
    expect(Object.keys(resolved)).toEqual(Object.keys(resolveOptions({}, {})));
  });

  it('is frozen all through, while objects of the caller are not', () => {
    const tls = { ALPNProtocols: ['redis'] };
    const retry = { retries: 1 };
    const options = { tls, retry, password: () => 'pw', fallback: () => null };
    const resolved = resolveOptions(options, {});
    const all = [resolved, ...Object.values(resolved), ...Object.values(resolved.target)];
    for (const value of all)
      if (typeof value === 'object') expect(value).toSatisfy(Object.isFrozen);
    expect(resolved.target.tls?.reveal()).toEqual(tls);
    expect(resolved.target.tls?.reveal()).not.toBe(tls);
    for (const own of [options, ...Object.values(options), tls.ALPNProtocols]) {
      expect(Object.isFrozen(own)).toBe(false);
    }
  });

  it('is not changed by a caller who changes the options afterwards', () => {
    const retry = { retries: 1 };
    const resolved = resolveOptions({ retry }, {});
    retry.retries = 9;
    expect(resolved.retry.retries).toBe(1);
  });

  it('can be printed without its secrets', () => {
    const options = {
      url: 'redis://app:hunter2@cache',
      tls: { passphrase: 'hunter2' },
    };
    const resolved = resolveOptions(options, {});
    const prints = [
      JSON.stringify(resolved),
      inspect(resolved, { depth: 9, showHidden: true }),
      inspect({ ...resolved, ...resolved.target }),
    ];
    for (const print of prints) {
      expect(print).not.toContain('hunter2');
      expect(print).toContain('[secret]');
    }
    expect(resolved.target.password?.reveal()).toBe('hunter2');
  });
});

describe('the error', () => {
  it('lists every problem of options and environment at once', () => {
    const options = { port: 0, maxConections: 5, retryWrites: 'maybe', retry: { factor: 0 } };
    const env = { DEPLOYMENT_ENV: 'moon', REDIS_DB: '-1', REDIS_TLS: 'perhaps' };
    const problems = problemsOf(options as unknown as PoolOptions, env);
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'port',
      'maxConections',
      'retryWrites',
      'retry.factor',
      'DEPLOYMENT_ENV',
      'REDIS_TLS',
      'REDIS_DB',
    ]);
  });

  it('has the code INVALID_OPTIONS and holds no secret anywhere', () => {
    const env = { REDIS_URL: 'redis://app:hunter2@cache:x', REDIS_PASSWORD_FILE: '/hunter2' };
    let error: unknown;
    try {
      resolveOptions({}, env);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' });
    expect((error as InvalidOptionsError).problems).toHaveLength(2);
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2');
  });
});
