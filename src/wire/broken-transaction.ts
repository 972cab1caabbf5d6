// What became of the commands on a connection whose transaction could not be closed. The server
// queues what follows, and forgets it when the connection ends, unless an EXEC comes before:
//
//   MULTI a EXEC(refused)  b  c             a, b and c never ran
//   MULTI a EXEC(refused)  b  MULTI d EXEC  this EXEC may be permitted: a, b and d may have run

import type { Break, Command, Refusal } from '../base/command.js';
import { PoolError } from '../errors.js';

interface LostCommands {
  readonly sent: Command[];
  readonly unsent: Command[];
}

/**
 * What the refusal means, given what was sent behind. Where the server knows no EXEC, other
 * transactions are told so here: each would end the next connection in the same way.
 */
export function afterBreak(
  command: Command,
  refusal: Refusal,
  breaks: Break,
  behind: readonly Command[],
): Refusal {
  const others = behind.filter(isTransaction);
  if (breaks === 'open for good') {
    for (const other of others) other.fail(refusal.error);
    return refusal;
  }
  if (others.length === 0 || command.retryClass === 'read') return refusal;
  const text = `${command.name} was refused, but one that followed may have executed the transaction`;
  const error = new PoolError('OUTCOME_UNKNOWN', text, { cause: refusal.error, sent: true });
  return { error, verdict: { ...refusal.verdict, outcome: 'unknown' } };
}

/** Puts what certainly never ran to what was not sent. */
export function lostInBreak({ sent, unsent }: LostCommands, breaks: Break): LostCommands {
  const isUnknown = breaks === 'unknown' || (breaks === 'open' && sent.some(isTransaction));
  return isUnknown ? { sent, unsent } : { sent: [], unsent: [...sent, ...unsent] };
}

function isTransaction({ name }: Command): boolean {
  return name === 'EXEC';
}
