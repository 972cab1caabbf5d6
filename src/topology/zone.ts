// In which availability zone a server stands: managed services, and Valkey from 8 on, tell it.

import type { Link } from '../base/link.js';
import { onlySilence } from './question.js';

/** @param ask Sends a command over the same connection. @returns `undefined`: it does not say. */
export async function zoneOf(
  link: Link,
  ask: (args: readonly string[]) => Promise<unknown>,
): Promise<string | undefined> {
  // Of HELLO, where the server is new enough.
  const told = (link as { availabilityZone?: string }).availabilityZone;
  if (told !== undefined) return told;
  const info = await ask(['INFO', 'server']).catch(onlySilence);
  const zone = /^availability_zone:(.+)$/m.exec(String(info))?.[1]?.trim();
  return zone === '' ? undefined : zone;
}
