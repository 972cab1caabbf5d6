// `plimsoll` with an environment of its own: in this process, or as one of its own where it has to be.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../src/program.js';

export const PROGRAM = fileURLToPath(new URL('../../bin/plimsoll.js', import.meta.url));
/** The tests' own time-outs come first. */
const TIMEOUT_MS = 60_000;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const texts = { out: '', errors: '' };
  const write = (name: keyof typeof texts) => (text: string) => {
    texts[name] += text;
  };
  const code = await runProgram(args, {
    env,
    stdout: { write: write('out') },
    stderr: { write: write('errors') },
    signal: new AbortController().signal,
  });
  return { code, ...texts };
}

export function runProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...env }, timeout: TIMEOUT_MS };
    execFile(process.execPath, [PROGRAM, ...args], options, (error, out, errors) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve({ code: error === null ? 0 : Number(error.code), out, errors });
    });
  });
}
