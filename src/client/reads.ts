// Which commands a replica may serve where keys decide nothing, as behind sentinels: what reads data,
// and means the same on whichever of the servers it runs.

import { type CommandRoute, routeOf } from '../base/route.js';
import type { RoutedClass } from './catalog.js';

export const READ: CommandRoute = routeOf(undefined, 'read');

/** `undefined`: it is the primary's. */
export function routeOfRead(commandClass: RoutedClass): CommandRoute | undefined {
  return isForReplicas(commandClass) ? READ : undefined;
}

/**
 * What has no keys, as INFO, speaks of its server, of which there is one; so does a script's digest,
 * unless its text is at hand, as scripts are loaded into the primary alone.
 */
export function isForReplicas({ name, routing, isOrdinary, hasText }: RoutedClass): boolean {
  if (!isOrdinary || routing.access !== 'read' || !routing.isKeyed) return false;
  return name !== 'EVALSHA_RO' || hasText;
}
