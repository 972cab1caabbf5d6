// Where a command may run when there is more than one server: by the hash slot of its keys, or at
// one endpoint alone. Routes are shared by all commands of a slot, so that one costs no object.

import { SLOT_COUNT } from './key-slot.js';

/** What the server is asked for: a `read` may run on a replica, where the pool allows it. */
export type Access = 'read' | 'write';

export interface CommandRoute {
  /** Of all its keys; `undefined`: it has none, so that any server will do. */
  readonly slot: number | undefined;
  readonly access: Access;
  /** The endpoint it is meant for alone, as a part of what goes to all of them. */
  readonly endpointId?: string | undefined;
}

/** Of what the pool itself asks of one server: it would mean something else at any other. */
export const HERE: CommandRoute = Object.freeze({ slot: undefined, access: 'write' });

const KEYLESS: Readonly<Record<Access, CommandRoute>> = {
  read: Object.freeze({ slot: undefined, access: 'read' }),
  write: Object.freeze({ slot: undefined, access: 'write' }),
};

const BY_SLOT: Readonly<Record<Access, (CommandRoute | undefined)[]>> = {
  read: new Array(SLOT_COUNT).fill(undefined),
  write: new Array(SLOT_COUNT).fill(undefined),
};

/** The route of all commands with keys of that slot, or with none. */
export function routeOf(slot: number | undefined, access: Access): CommandRoute {
  if (slot === undefined) return KEYLESS[access];
  const routes = BY_SLOT[access];
  routes[slot] ??= Object.freeze({ slot, access });
  return routes[slot];
}
