// Whether a connection that owes replies and brings nothing is dead, or its server slow. Time alone
// can't tell, so a second witness is asked: another connection to the same server. Where that one is
// answered, the server is well; and the server's own list of clients (CLIENT LIST) says whether it
// holds the silent one back on purpose, as it does for CLIENT PAUSE and for commands of modules.
//
//   silent 500 ms: suspect, gets no new commands, other idle connections are asked for a sign of life
//   silent 600 ms, nobody else heard of: one more connection is dialed, to be the witness
//   silent 1 s, the witness is answered: dead, unless the server says that it is at work for it

/** A connection that owes replies and is silent for so long gets no new commands, ms. */
export const SUSPECT_AFTER_MS = 500;
/** So long is waited for a sign of life on another connection before one is dialed, ms. */
export const SPARE_AFTER_MS = 600;
/** Silent for less, no witness makes a connection dead, ms: TCP repeats what was lost. */
export const DEAD_AFTER_MS = 1_000;
/** The same where the server doesn't say what it does for the silent connection, ms. */
export const UNVERIFIED_DEAD_AFTER_MS = 5_000;
/**
 * All connections silent for so long, and none to be made: the server is away, ms. Three times
 * Redis' `busy-reply-threshold`, after which a slow script no longer silences other connections.
 */
export const AWAY_AFTER_MS = 15_000;

/** What the second witness says, who was asked after the silence had begun. */
export interface Testimony {
  /** The server is in a slow script: whoever runs it hears nothing, and is not dead. */
  readonly isBusy: boolean;
  /** What CLIENT LIST answered; `undefined`: it could not be asked. */
  readonly clientList: string | undefined;
}

/** @param clientId The server's number of the silent connection, where it is known. */
export function isDead(
  silentMs: number,
  clientId: number | undefined,
  { isBusy, clientList }: Testimony,
): boolean {
  if (isBusy) return false;
  if (clientList === undefined || clientId === undefined) {
    return silentMs >= UNVERIFIED_DEAD_AFTER_MS;
  }
  return silentMs >= DEAD_AFTER_MS && !isAtWork(clientList, clientId);
}

/** The server holds the client's command back, or is still receiving a large one. */
function isAtWork(clientList: string, clientId: number): boolean {
  const line = clientList.split('\n').find((text) => text.startsWith(`id=${clientId} `));
  if (line === undefined) return false;
  const isBlocked = /\bflags=\w*b/.test(line);
  const isReceiving = !/\bqbuf=0\b/.test(line) && /\bidle=[01]\b/.test(line);
  return isBlocked || isReceiving;
}
