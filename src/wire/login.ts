// How an open connection logs in anew, where a provider has newer credentials. What the server has
// against them is told to the provider; the connection goes on as whom it was.

import type { LinkLogin } from '../base/link.js';
import type { Login } from '../config/credentials.js';
import type { ConnectionTarget } from '../config/options.js';
import { authenticationError } from './connect-error.js';
import type { Connection } from './connection.js';
import { ask } from './handshake.js';
import { ErrorReply } from './protocol.js';

/** `undefined` where credentials do not change. @param used What it logged in with. */
export function renewableLogin(
  connection: Connection,
  target: ConnectionTarget,
  used: Login,
): LinkLogin | undefined {
  const { credentials } = target;
  if (credentials === undefined) return undefined;
  let { version } = used;
  return {
    get isStale() {
      return version !== credentials.version;
    },
    async renew() {
      const { username, password, version: latest } = credentials.latest;
      // Refused or not, they are not offered twice.
      version = latest;
      if (password === undefined) return;
      try {
        await ask(connection, ['AUTH', ...(username === undefined ? [] : [username]), password]);
      } catch (error) {
        // Where the connection has ended, the next one logs in with them.
        if (!(error instanceof ErrorReply)) return;
        credentials.onTrouble(authenticationError(target, error, password), 'refused');
      }
    },
  };
}
