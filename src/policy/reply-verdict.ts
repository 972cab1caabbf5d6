// What an error reply means, for the command that got it and for the connection that brought it:
// one pure verdict, used for single commands, transactions and pipelines, on lanes and on leases.
//
// The rule that nothing here may break: a text that a script, a module or an unknown command may
// have made up is never taken for the server's word. What it did before it failed, it did; so such
// an error is the caller's answer, and its command is never sent again on account of it.

import type { Break, Redirect, ReplyVerdict } from '../base/command.js';
import { SLOT_COUNT } from '../base/key-slot.js';

/** What must be known of the command. */
export interface ErrorAuthor {
  /** In capitals. */
  readonly name: string;
  readonly mayMakeUpErrors?: boolean;
}

/** The error is the answer: it speaks of the command, and of nothing else. */
const ANSWER: ReplyVerdict = { outcome: 'unknown', again: 'no' };
/** The server will take it in a moment. */
const LATER: ReplyVerdict = { outcome: 'not-applied', again: 'here' };
/** So it may, but serves nobody until then. */
const AWAY: ReplyVerdict = { ...LATER, isAway: true };
/** The server is no primary (any more). */
const DEMOTED: ReplyVerdict = { outcome: 'not-applied', again: 'elsewhere', retire: 'demoted' };
/** The connection lost its identity. */
const UNAUTHENTICATED: ReplyVerdict = {
  outcome: 'not-applied',
  again: 'elsewhere',
  retire: 'unauthenticated',
};
/** A script's own answer that shows the state of the server by the way. */
const ANSWER_OF_REPLICA: ReplyVerdict = { ...ANSWER, retire: 'demoted' };
const ANSWER_WITHOUT_IDENTITY: ReplyVerdict = { ...ANSWER, retire: 'unauthenticated' };

/**
 * By the first word. Not here, and so the caller's answer: MISCONF, OOM and NOREPLICAS, which last
 * longer than retries do; NOPERM, UNKILLABLE and all that speaks of the command itself.
 */
const OF_SERVER: ReadonlyMap<string, ReplyVerdict> = new Map([
  ['LOADING', AWAY],
  ['BUSY', LATER],
  ['MASTERDOWN', AWAY],
  ['CLUSTERDOWN', AWAY],
  ['TRYAGAIN', LATER],
  ['READONLY', DEMOTED],
  ['NOAUTH', UNAUTHENTICATED],
]);

/** How servers word a write in a script, wherever in the text: "slave" before Redis 5. */
const WRITE_ON_REPLICA = /\bREADONLY You can't write against a read only (replica|slave)/;
const NO_IDENTITY = 'NOAUTH Authentication required';
/** Said to who blocks, before the connection is closed: the key may never be filled here. */
const BLOCKED_ON_REPLICA = /^UNBLOCKED .*instance state changed/;

/** The whole text, where a server sends a command away: `MOVED 3999 127.0.0.1:6381`. */
const REDIRECT = /^(MOVED|ASK) (\d{1,5}) ([^\s\0]*:\d{1,5})$/;
const MAX_PORT = 65_535;

/** Commands that close a transaction or forget WATCH. */
const CLOSING = new Set(['EXEC', 'DISCARD', 'UNWATCH']);
/** MULTI is closed: EXECABORT discards, and what had not been opened needs no closing. */
const CLOSED = /^EXECABORT\b|without MULTI/;
/** What a node of a cluster says of keys that it does not serve, or not just now. */
const OF_SLOTS = /^(?:MOVED|ASK|TRYAGAIN|CLUSTERDOWN|CROSSSLOT) /;
/** The server never got as far as to look at what it was to close. */
const NOT_PERMITTED = /^NOPERM\b/;
const NOT_KNOWN = /^ERR unknown command\b/i;
/** What EXEC says when the server's state, not a queued command, was the reason. */
const ABORTED_BECAUSE_OF = /^EXECABORT [^:]*because of: -?/;

/** @param text An error reply as it came, e.g. `LOADING Redis is loading the dataset in memory`. */
export function judgeErrorReply(text: string, author: ErrorAuthor): ReplyVerdict {
  if (author.mayMakeUpErrors === true) return judgeMadeUp(text);
  const verdict = judgeServersWord(text);
  // By hand, MULTI may have been sent or not.
  const isClosed = CLOSED.test(text);
  const isInStep = !CLOSING.has(author.name) || isClosed;
  return isInStep ? verdict : { ...verdict, breaks: 'unknown' };
}

/** An error that a script or a module may have written. */
export function judgeMadeUp(text: string): ReplyVerdict {
  const redirect = redirectIn(text);
  if (redirect !== undefined) return { ...ANSWER, redirect };
  if (WRITE_ON_REPLICA.test(text)) return ANSWER_OF_REPLICA;
  return text.startsWith(NO_IDENTITY) ? ANSWER_WITHOUT_IDENTITY : ANSWER;
}

/** An error that the server alone can have written. */
export function judgeServersWord(text: string): ReplyVerdict {
  const reason = text.replace(ABORTED_BECAUSE_OF, '');
  const space = reason.indexOf(' ');
  const word = space === -1 ? reason : reason.slice(0, space);
  if (word === 'UNBLOCKED') return BLOCKED_ON_REPLICA.test(reason) ? DEMOTED : ANSWER;
  if (word === 'MOVED' || word === 'ASK') {
    const redirect = redirectIn(reason);
    return redirect === undefined
      ? ANSWER
      : { outcome: 'not-applied', again: 'elsewhere', redirect };
  }
  return OF_SERVER.get(word) ?? ANSWER;
}

/** `undefined`: it says no such thing, or not as servers do. */
function redirectIn(text: string): Redirect | undefined {
  const [, word, digits, to] = REDIRECT.exec(text) ?? [];
  if (to === undefined) return undefined;
  const slot = Number(digits);
  const port = Number(to.slice(to.lastIndexOf(':') + 1));
  if (slot >= SLOT_COUNT || port > MAX_PORT) return undefined;
  return { kind: word === 'MOVED' ? 'moved' : 'ask', slot, to };
}

/**
 * Where several that were refused together belong: a move for good is newer than one under way.
 * `undefined`: none of them was sent away.
 */
export function redirectAmong(verdicts: readonly ReplyVerdict[]): Redirect | undefined {
  const redirects = verdicts.flatMap(({ redirect }) => redirect ?? []);
  return redirects.find(({ kind }) => kind === 'moved') ?? redirects[0];
}

/** Whether a node of a cluster says so of keys, or channels, that it does not serve just now. */
export function isOfSlots(text: string): boolean {
  return OF_SLOTS.test(text);
}

/**
 * What becomes of the connection when the EXEC to an accepted MULTI is refused. A node of a cluster
 * that does not serve its keys has discarded it; who else says so may not have.
 */
export function breakAfterRefusedExec(text: string, isSharded = false): Break | undefined {
  if (CLOSED.test(text) || (isSharded && isOfSlots(text))) return undefined;
  if (NOT_KNOWN.test(text)) return 'open for good';
  return NOT_PERMITTED.test(text) ? 'open' : 'unknown';
}
