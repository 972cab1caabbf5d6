// How keys are named. All that belongs to an account shares one hash tag, its *home*, so that a cluster
// keeps it in one slot and one script may touch all of it; so does what is counted of a site:
//
//   auth:{<home>}:user:<name>          auth:{<home>}:session:<id>      auth:{<home>}:fence
//   auth:{<home>}:sessions:<user id>   auth:{<home>}:attempts:<digest> auth:refreshes:<digest>
//
// A home is made of the name, as that is what a login has, and is short, as each key has it: 16.8
// million homes spread evenly over 16,384 slots. That two names share one is no harm.

import { createHash } from 'node:crypto';

/** Bytes of a home where it stands in a token; in base64url nothing is left over. */
export const HOME_BYTES = 3;
const HOME_CHARACTERS = 4;
/** 128 bits: keys are short whatever they are counted by, and tell neither names nor addresses. */
const DIGEST_CHARACTERS = 22;

/** @param text The name of an account; or a site, for what isn't counted by account. */
export function homeOf(text: string): string {
  return hashOf(text).slice(0, HOME_CHARACTERS);
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

export const userKey = (name: string) => `auth:{${homeOf(name)}}:user:${name}`;
export const sessionPrefix = (home: string) => `auth:{${home}}:session:`;
export const indexPrefix = (home: string) => `auth:{${home}}:sessions:`;
export const fenceKey = (home: string) => `auth:{${home}}:fence`;
export const refreshesKey = (network: string) => `auth:refreshes:${hashOf(network)}`;

/** @param parts What is counted, e.g. `login`, a name and a network. */
export function attemptsKey(home: string, ...parts: string[]): string {
  const digest = hashOf(JSON.stringify(parts)).slice(0, DIGEST_CHARACTERS);
  return `auth:{${home}}:attempts:${digest}`;
}
