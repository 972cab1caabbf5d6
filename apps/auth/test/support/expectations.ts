// What every refusal has to look like (RFC 9457).

import type { LightMyRequestResponse } from 'fastify';
import { expect } from 'vitest';
import { PROBLEMS, type ProblemCode } from '../../src/errors.js';

/** @param scheme Of the challenge where the status is 401. */
export function expectProblem(
  answer: LightMyRequestResponse,
  code: ProblemCode,
  scheme = 'Bearer',
): void {
  const [status, title] = PROBLEMS[code];
  expect(answer.json()).toMatchObject({ code, status, title });
  expect(answer.statusCode).toBe(status);
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(answer.headers['cache-control']).toBe('no-store');
  if (status === 401) expect(answer.headers['www-authenticate']).toMatch(new RegExp(`^${scheme}`));
  if (status === 503 || status === 429) {
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  }
}
