// The process of `plimsoll`: signals and closed pipes end the command, its result is the exit code.

import process from 'node:process';
import { runProgram } from './program.js';

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** npx passes on what the terminal has sent to the whole group already: one wish, two signals. */
const SAME_WISH_MS = 500;

const stop = new AbortController();
let signalCode: number | undefined;
let signalMs = 0;

for (const [name, code] of Object.entries(SIGNALS)) {
  process.on(name, () => {
    if (signalCode !== undefined && performance.now() - signalMs < SAME_WISH_MS) return;
    // The second one doesn't wait for connections to be closed.
    if (signalCode !== undefined) process.exit(code);
    signalCode = code;
    signalMs = performance.now();
    stop.abort();
  });
}
// `| head` has had enough: no reason to go on, and no error.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort());

const { env, stdout, stderr } = process;
const result = await runProgram(process.argv.slice(2), {
  ...{ env, stdout, stderr },
  signal: stop.signal,
});
// Whoever interrupts does not wait for a server that is silent.
if (signalCode !== undefined) process.exit(signalCode);
process.exitCode = result;
