// When a batch leaves. What is sent in answer to what a connection has brought, e.g. the next command
// of a caller who got his reply, leaves as soon as all callers of these replies have gone on: the
// server works on it while the next socket is read. Everything else leaves at the end of the event
// loop's turn, so that requests which a service reads from many sockets share one system call.
//
//   replies read --> callers go on (microtasks) --> batch leaves --> next socket
//   request read --> caller --> next request ... --> end of the turn: batch leaves

let isAnswering = false;
/** Cheaper than `queueMicrotask`, which makes a resource for async_hooks each time. */
const resolved = Promise.resolve();

/** To be called with the event of a connection, before those who wait for it go on. */
export function answerAtOnce(): void {
  if (isAnswering) return;
  isAnswering = true;
  // A tick that a microtask begins waits until no microtask is left: all have gone on by then.
  void resolved.then(endAfterMicrotasks);
}

function endAfterMicrotasks(): void {
  process.nextTick(end);
}

function end(): void {
  isAnswering = false;
}

export type FlushMoment = 'after replies' | 'end of turn';

/** Calls `flush` when the batch that begins now has to leave, and says when that is. */
export function atFlushMoment<Argument>(
  flush: (argument: Argument) => void,
  argument: Argument,
): FlushMoment {
  if (isAnswering) {
    process.nextTick(flush, argument);
    return 'after replies';
  }
  setImmediate(flush, argument);
  return 'end of turn';
}
