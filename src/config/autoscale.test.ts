// What `autoscale` comes to, from options and environment.

import { describe, expect, it } from 'vitest';
import type { InvalidOptionsError } from '../errors.js';
import type { AutoscaleOptions, PoolOptions } from './options.js';
import { resolveOptions } from './resolve.js';

function problemsOf(options: PoolOptions, env: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    resolveOptions(options, env);
    return [];
  } catch (error) {
    return (error as InvalidOptionsError).problems;
  }
}

const scaled = (autoscale: Partial<AutoscaleOptions>): PoolOptions => ({
  maxConnections: 40,
  autoscale,
});

describe('autoscale', () => {
  it('is off unless somebody asks for it', () => {
    expect(resolveOptions({}, {}).autoscale.ceiling).toBe(0);
    expect(resolveOptions(scaled({ step: 5 }), {}).autoscale).toMatchObject({
      ceiling: 0,
      step: 5,
    });
  });

  it('gives each worker its share of the ceiling in the environment, which an option beats', () => {
    const env = { WEB_CONCURRENCY: '4', REDIS_AUTOSCALE_CEILING: '482' };
    expect(resolveOptions({}, env).autoscale.ceiling).toBe(120);
    expect(resolveOptions(scaled({ ceiling: 50 }), env).autoscale.ceiling).toBe(50);
    expect(resolveOptions({}, { REDIS_AUTOSCALE_CEILING: '0' }).autoscale.ceiling).toBe(0);
  });

  it('refuses a ceiling below the maximum that there is', () => {
    expect(problemsOf(scaled({ ceiling: 39 }))).toEqual([
      'autoscale.ceiling (39 for this process) is below maxConnections (40)',
    ]);
    const env = {
      WEB_CONCURRENCY: '2',
      REDIS_MAX_CONNECTIONS: '80',
      REDIS_AUTOSCALE_CEILING: '79',
    };
    expect(problemsOf({}, env)).toEqual([
      'REDIS_AUTOSCALE_CEILING (39 for this process) is below maxConnections (40)',
    ]);
  });

  it('refuses limits that would make it grow and shrink at once; a default gives way', () => {
    expect(problemsOf(scaled({ growAbovePercent: 60, shrinkBelowPercent: 60 }))).toHaveLength(1);
    const { autoscale } = resolveOptions(scaled({ growAbovePercent: 40 }), {});
    expect(autoscale.shrinkBelowPercent).toBe(30);
  });

  it('names what is wrong or unknown in it', () => {
    expect(problemsOf(scaled({ growAfterMs: 10, max: 3 } as object))).toEqual([
      'autoscale.growAfterMs must be a whole number from 1,000 to 2,147,483,647, not 10',
      expect.stringMatching(/^autoscale\.max is not an option/),
    ]);
  });
});
