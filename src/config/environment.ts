// The environment variables that Plimsoll knows, and how their texts are read. An empty variable
// counts as absent, as deployment tools often can't leave one out. A variable that an option
// overrides isn't read at all, so its value can't be a problem.

import { oneOf } from './checks.js';
import type { Problems } from './problems.js';
import { describeRange, isInRange, type NumberRange } from './ranges.js';

export const ENVIRONMENT_VARIABLES = [
  'DEPLOYMENT_ENV',
  'NODE_ENV',
  'WEB_CONCURRENCY',
  'UVICORN_WORKERS',
  'REDIS_MAX_CONNECTIONS',
  'REDIS_AUTOSCALE_CEILING',
  'REDIS_URL',
  'REDIS_ENDPOINTS',
  'REDIS_HOST',
  'REDIS_PORT',
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
  'REDIS_PASSWORD_FILE',
  'REDIS_DB',
  'REDIS_TLS',
] as const;

export type EnvironmentVariable = (typeof ENVIRONMENT_VARIABLES)[number];

const YES = ['true', '1', 'yes', 'on'];
const NO = ['false', '0', 'no', 'off'];
const WHOLE_NUMBER = /^[+-]?\d{1,15}$/;
/** Kubernetes sets REDIS_PORT to such an address for a Service that is named redis. */
const KUBERNETES_PORT = /^tcp:\/\//;

export class EnvironmentReader {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #problems: Problems;

  constructor(environment: NodeJS.ProcessEnv, problems: Problems) {
    this.#environment = environment;
    this.#problems = problems;
  }

  /** The variable as it stands, or `undefined` where it is absent or empty. */
  text(name: EnvironmentVariable): string | undefined {
    const value = this.#environment[name];
    return value === '' ? undefined : value;
  }

  /** Upper and lower case are the same here. */
  choice<T extends string>(name: EnvironmentVariable, choices: readonly T[]): T | undefined {
    const text = this.text(name)?.trim().toLowerCase();
    if (text === undefined) return undefined;
    const problem = oneOf(choices)(text);
    if (problem === undefined) return text as T;
    this.#problems.refuse(name, problem);
    return undefined;
  }

  wholeNumber(name: EnvironmentVariable, range: NumberRange): number | undefined {
    const text = this.text(name)?.trim();
    if (text === undefined) return undefined;
    const value = parseWholeNumber(text, range);
    if (value === undefined) {
      const hint = KUBERNETES_PORT.test(text)
        ? '; Kubernetes sets it for a Service named redis: use enableServiceLinks: false'
        : '';
      this.#problems.refuse(name, `must be ${describeRange(range)}${hint}`);
    }
    return value;
  }

  flag(name: EnvironmentVariable): boolean | undefined {
    const text = this.text(name)?.trim().toLowerCase();
    if (text === undefined) return undefined;
    if (YES.includes(text)) return true;
    if (!NO.includes(text)) this.#problems.refuse(name, 'must be true or false');
    return NO.includes(text) ? false : undefined;
  }
}

/** `undefined` where the text is no whole number or out of range. */
export function parseWholeNumber(text: string, range: NumberRange): number | undefined {
  if (!WHOLE_NUMBER.test(text)) return undefined;
  const value = Number(text);
  return isInRange(value, range) ? value : undefined;
}
