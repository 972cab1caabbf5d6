// A blocked event loop fires its overdue timers before it reads what arrived meanwhile. Whoever
// judges a peer by time therefore lets the loop read first.

/** Calls back when every socket that had something to read was read at least once. */
export function afterPolling(callback: () => void): void {
  // The first callback may run in the turn that was blocked; the second follows a whole poll.
  setImmediate(() => setImmediate(callback));
}
