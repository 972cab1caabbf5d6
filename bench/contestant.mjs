// The parent's side of child.mjs: one client on one workload that can be asked for windows. What
// dies or hangs ends the run with an error: a table without one of the peers would tell a lie.

import { fork } from 'node:child_process';
import path from 'node:path';
import { CLIENTS } from './clients.mjs';

/** A child that answers later than this, beyond the window it was asked for, has hung. */
const ANSWER_TIMEOUT_MS = 30_000;

/**
 * A child that has opened its client; `undefined` where it lacks the method the workload needs, or
 * does not run on this system.
 */
export async function enter(client, workload, port, execArgv) {
  const program = path.join(import.meta.dirname, 'child.mjs');
  // Its output goes to stderr, as stdout is the report's.
  const stdio = ['ignore', 2, 2, 'ipc'];
  const ownProgram = 'program' in CLIENTS[client];
  const execPath = ownProgram ? CLIENTS[client].program : process.execPath;
  if (execPath === undefined) return undefined;
  const options = { execPath, execArgv: ownProgram ? [] : execArgv, stdio };
  const child = fork(program, [client, workload, String(port)], options);
  const label = `${client} on ${workload}`;
  const contestant = {
    client,
    workload,
    async measure(settleMs, measureMs) {
      child.send({ settleMs, measureMs });
      const { figures, firstError } = await answer(child, label, settleMs + measureMs);
      if (figures.errors > 0) console.error(`${label}: ${figures.errors} errors: ${firstError}`);
      return figures;
    },
    leave() {
      return new Promise((resolve) => {
        child.once('exit', resolve);
        child.send('end');
      });
    },
    kill: () => child.kill('SIGKILL'),
  };
  try {
    const { isCapable } = await answer(child, label, 0);
    if (isCapable) return contestant;
    await contestant.leave();
    return undefined;
  } catch (error) {
    contestant.kill();
    throw error;
  }
}

function answer(child, label, expectedMs) {
  return new Promise((resolve, reject) => {
    const timeoutMs = expectedMs + ANSWER_TIMEOUT_MS;
    const timer = setTimeout(() => settle(reject, new Error(`${label} hung.`)), timeoutMs);
    const onMessage = (message) => settle(resolve, message);
    const onExit = (code) => settle(reject, new Error(`${label} ended with code ${code}.`));
    child.once('message', onMessage);
    child.once('exit', onExit);
    function settle(how, result) {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      how(result);
    }
  });
}
