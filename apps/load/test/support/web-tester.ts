// The tester with its page, as a program of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface WebTester {
  /** The page's address, with a slash at its end. */
  readonly url: string;
  readonly child: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
  stop(): Promise<void>;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Resolves when the page is served, at any port. */
export async function startWebTester(command: Command): Promise<WebTester> {
  const { program, args, cwd, environment } = command;
  const child = spawn(process.execPath, [program, '--web', '--web-port', '0', ...args], {
    cwd,
    env: { ...process.env, ...environment },
  });
  let text = '';
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const url = await new Promise<string>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      text += chunk;
      const [, found] = /The page is at (\S+)/.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    void ended.then((code) => reject(new Error(`The tester ended with ${code}:\n${text}`)));
  });
  return {
    url,
    child,
    output: () => text,
    ended,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}
