// What an error reply says about the server rather than about the command.

/**
 * - `busy`: not executed, the same server will take it in a moment;
 * - `demoted`: not executed, this server is no primary (any more);
 * - `unauthenticated`: not executed, the connection lost its identity;
 * - `command`: it concerns the command, and the caller gets it.
 */
export type ServerErrorClass = 'busy' | 'demoted' | 'unauthenticated' | 'command';

const CLASSES: Readonly<Record<string, ServerErrorClass>> = {
  LOADING: 'busy',
  MASTERDOWN: 'busy',
  CLUSTERDOWN: 'busy',
  TRYAGAIN: 'busy',
  READONLY: 'demoted',
  NOAUTH: 'unauthenticated',
};

/** @param message An error reply as it came, e.g. `LOADING Redis is loading the dataset`. */
export function classifyServerError(message: string): ServerErrorClass {
  const space = message.indexOf(' ');
  return CLASSES[space === -1 ? message : message.slice(0, space)] ?? 'command';
}
