// A password as a request has it, in the form in which it is hashed.

import { Problem } from '../errors.js';
import { opaqueString } from '../opaque-string.js';
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from './schemas.js';

/** @throws Problem BAD_REQUEST, which doesn't show what was sent. */
export function passwordOf<F extends string>(body: Record<F, string>, field: F): string {
  const password = opaqueString(body[field]);
  if (password === undefined) {
    throw new Problem('BAD_REQUEST', `body/${field} has characters that are not allowed`);
  }
  // The normal form may be shorter or longer than what the schema has seen.
  const { length } = [...password];
  if (length < MIN_PASSWORD_LENGTH || length > MAX_PASSWORD_LENGTH) {
    throw new Problem('BAD_REQUEST', `body/${field} is too short or too long`);
  }
  return password;
}
