// A name and a password, held against the account, within what may be tried (attempts.ts).

import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.js';
import type { Asker } from '../fair-turns.js';
import type { User } from '../store/store.js';
import type { AppParts } from './app.js';
import { clientAddressOf } from './client-address.js';

export interface Login {
  readonly name: string;
  readonly password: string;
  /** Id of a device that the account knows. */
  readonly device: string | undefined;
}

/** @throws Problem INVALID_CREDENTIALS, TOO_MANY_ATTEMPTS, BUSY, STORE_UNAVAILABLE */
export async function checkLogin(
  parts: AppParts,
  request: FastifyRequest,
  { name, password, device }: Login,
): Promise<User> {
  const { store, passwords, attempts, events } = parts;
  const client = clientAddressOf(request);
  const asker = { site: client.site, account: device === undefined ? undefined : name };
  // Before anything is counted for nothing.
  passwords.refuseWhenFull(asker);
  const attempt = await attempts.login(name, client, device);
  let isRight: boolean | undefined;
  try {
    const user = await store.findUser(name);
    isRight = await passwords.matches(user?.passwordHash, password, asker);
    if (user !== undefined && isRight) return await withOurCost(parts, user, password, asker);
    const { address } = client;
    events.emit('login_failed', user === undefined ? { address } : { address, user: user.id });
    throw new Problem('INVALID_CREDENTIALS');
  } finally {
    if (isRight !== false) await attempt.forgive();
  }
}

/** The moment in which a password is known is the only one in which its hash can be made anew. */
async function withOurCost(
  { store, passwords }: AppParts,
  user: User,
  password: string,
  asker: Asker,
): Promise<User> {
  if (!passwords.isOutdated(user.passwordHash)) return user;
  return store.replaceHash(user, await passwords.hash(password, asker));
}
