// What a caller keeps in an AsyncLocalStorage, such as the request that he serves, follows his own
// promises. It must not follow what lives longer than his call, as a connection does that was
// opened on his account, nor be seen by listeners of others.

import { AsyncResource } from 'node:async_hooks';

/** Made when the library is loaded, so that it is no caller's. */
const outside = new AsyncResource('Plimsoll');

/** Runs `act`, and all that it starts, in nobody's context. */
export function outsideOfCalls<T>(act: () => T): T {
  return outside.runInAsyncScope(act);
}
