// Which of several servers a command goes to, and how what they answer becomes one reply. By the
// request and response policies of Redis' own command table.

import type { Access } from '../base/route.js';

/**
 * - `one`: to the server of its keys, or to any where it has none;
 * - `slots`: its keys may be spread, and it is cut by their slots;
 * - `primaries`, `all`: to each of these servers;
 * - `scan`: to one primary after the other, a page at a time.
 */
export type Spread = 'one' | 'slots' | 'primaries' | 'all' | 'scan';

/** How several replies become one; `first`: they say the same, unless one of them is an error. */
export type Fold =
  | 'first'
  | 'any'
  | 'sum'
  | 'min'
  | 'max'
  | 'and'
  | 'or'
  | 'merge'
  | 'by key'
  | 'one of';

export interface Routing {
  readonly access: Access;
  readonly spread: Spread;
  readonly fold: Fold;
  /** Where nobody said which words are keys, they are looked for. */
  readonly isKeyed: boolean;
}

/** What the table says of a command. */
export interface CommandPolicies {
  readonly request: string;
  readonly response: string;
  readonly isKeyless: boolean;
}

const SPREADS: ReadonlyMap<string, Spread> = new Map([
  ['all_nodes', 'all'],
  ['all_shards', 'primaries'],
  ['multi_shard', 'slots'],
]);

const FOLDS: ReadonlyMap<string, Fold> = new Map([
  ['all_succeeded', 'first'],
  ['one_succeeded', 'any'],
  ['agg_sum', 'sum'],
  ['agg_min', 'min'],
  ['agg_max', 'max'],
  ['agg_logical_and', 'and'],
  ['agg_logical_or', 'or'],
  ['default-keyed', 'by key'],
]);

/** Their cursor says how far one server has got, each of which keeps keys in an order of its own. */
const WITH_CURSOR = new Set(['HSCAN', 'SCAN', 'SSCAN', 'ZSCAN']);

/**
 * Any server answers a search for all of them, and keeps the cursor of it to itself: so the name of
 * the index says which one, as if it were a key, where there is a cursor.
 */
const WITH_INDEX = new Set(['FT.AGGREGATE', 'FT.CURSOR DEL', 'FT.CURSOR READ', 'FT.HYBRID']);

/**
 * @param name In capitals.
 * @param policies `undefined`: nobody knows the command, so its first argument may be a key.
 * @param allowed What a replica would do: `read` where it may run there.
 */
export function routingOf(
  name: string,
  policies: CommandPolicies | undefined,
  allowed: Access,
): Routing {
  const hasIndex = WITH_INDEX.has(name);
  const access = hasIndex || WITH_CURSOR.has(name) ? 'write' : allowed;
  if (policies === undefined) return { access, spread: 'one', fold: 'first', isKeyed: true };
  const { request, response, isKeyless } = policies;
  const spread = name === 'SCAN' ? 'scan' : (SPREADS.get(request) ?? 'one');
  const fold = name === 'RANDOMKEY' ? 'one of' : (FOLDS.get(response) ?? 'merge');
  return { access, spread, fold, isKeyed: hasIndex || !isKeyless };
}
