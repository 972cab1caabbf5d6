// What the page asks for, read from a body. Ranges are checked where all options are; here is only
// whether each thing is of its kind.

import { parseDuration } from '../duration.js';
import { LoadError } from '../errors.js';
import type { ChangeWish, StartForm } from './messages.js';
import type { StartWish } from './run-session.js';

type Body<T> = Partial<Record<keyof T, unknown>>;

/** Throws `INVALID_OPTION`. */
export function startWish(text: string): StartWish {
  const { host, runTime = '', ...stage } = parse<StartForm>(text);
  if (typeof host !== 'string' || typeof runTime !== 'string') throw malformed();
  const isTimed = runTime.trim() !== '';
  return {
    host: host.trim(),
    ...stageOf(stage),
    runTimeMs: isTimed ? parseDuration(runTime.trim()) : undefined,
  };
}

/** Throws `INVALID_OPTION`. */
export function changeWish(text: string): ChangeWish {
  return stageOf(parse<ChangeWish>(text));
}

function stageOf({ users, spawnRate }: Body<ChangeWish>): ChangeWish {
  if (typeof users !== 'number' || typeof spawnRate !== 'number') {
    throw new LoadError('INVALID_OPTION', 'Users and spawn rate must be numbers.');
  }
  return { users, spawnRate };
}

function parse<T>(text: string): Body<T> {
  try {
    const body = JSON.parse(text) as unknown;
    if (typeof body === 'object' && body !== null) return body as Body<T>;
  } catch {
    // Told below.
  }
  throw malformed();
}

function malformed(): LoadError {
  return new LoadError('INVALID_OPTION', 'The body is not what this path takes.');
}
