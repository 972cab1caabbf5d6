// What nobody caught, for tests of code that lets it happen on purpose: the test runner would take
// it for a failure of its own.

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/** While `act` runs, uncaught exceptions and unhandled rejections are collected and returned. */
export async function uncaughtDuring(act: () => Promise<void>): Promise<Error[]> {
  const caught: Error[] = [];
  const collect = (error: Error) => {
    caught.push(error);
  };
  const others = EVENTS.map((event) => process.listeners(event as 'uncaughtException'));
  for (const event of EVENTS) {
    process.removeAllListeners(event);
    process.on(event, collect);
  }
  try {
    await act();
    // An unhandled rejection is told when the microtasks of its turn are done.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    for (const [index, event] of EVENTS.entries()) {
      process.off(event, collect);
      for (const other of others[index] ?? []) process.on(event, other);
    }
  }
  return caught;
}
