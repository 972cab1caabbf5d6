// One server process that can't outlive the process that started it, not even one that is
// SIGKILLed. A small shell is the server's parent and holds the read end of a pipe of ours:
//
//   this process --pipe--> sh (guard) --parent of--> redis-server
//
// When the pipe closes, for whatever reason, the guard kills the server (-9, so a stopped one
// goes too) and removes its folder. Until the guard has reaped the server its process id stays
// reserved, so no signal of ours can reach a stranger. No exit handler is involved.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

/** How long the guard may take to report the server's process id. */
const SPAWN_TIMEOUT_MS = 10_000;
/** How much of what the server prints is kept for an error message. */
const MAX_OUTPUT_CHARACTERS = 16_384;

// $1 is the folder, the rest the server's command line. The server alone keeps descriptor 3
// open, so its closing tells us that the server has ended. Words that the guard understands:
// `ended` reaps a server that has ended by itself, `leave` lets go of the folder as well. What the
// terminal sends to everybody must not end the guard, whose only reason to act is its pipe.
const GUARD_SCRIPT = `
trap '' HUP INT QUIT TERM
folder=$1; shift
"$@" >&3 2>&3 3>&- &
pid=$!
exec 3>&-
echo "$pid"
while read -r word; do
  case $word in
    ended) wait "$pid"; pid=; echo reaped ;;
    leave) exit 0 ;;
  esac
done
if [ -n "$pid" ]; then kill -9 "$pid"; wait "$pid"; fi
rm -rf -- "$folder"
`;

export interface GuardOptions {
  /** Variables beside those of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * `own` keeps a Ctrl-C in the terminal away from the server, which the program that uses it shall
   * end in its own order. `shared` is for a server that knows how to end by itself, where its share
   * of the processor matters: Linux divides it between sessions first (autogroups), so that all
   * processes of one session together get as much as a single one of another. Default: `own`.
   */
  readonly session?: 'own' | 'shared';
}

/** A server process with its guard. */
export class GuardedProcess {
  /** The server's process id. */
  readonly pid: number;
  /** Settles when the server has ended and its process id is free again. */
  readonly ended: Promise<void>;
  #running = true;
  readonly #guard: ChildProcess;
  readonly #output: { text: string };

  private constructor(guard: ChildProcess, pid: number, output: { text: string }) {
    this.#guard = guard;
    this.pid = pid;
    this.#output = output;
    this.ended = this.#reapWhenEnded();
  }

  /**
   * Starts `command` inside `folder`. The folder belongs to the guard from the call on: nothing
   * is awaited before the guard exists, so no crash of ours can leave it behind.
   */
  static async start(
    folder: string,
    command: readonly string[],
    { environment = {}, session = 'own' }: GuardOptions = {},
  ): Promise<GuardedProcess> {
    const guard = spawn('sh', ['-c', GUARD_SCRIPT, 'plimsoll-guard', folder, ...command], {
      cwd: folder,
      env: { ...process.env, ...environment },
      detached: session === 'own',
      stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
    });
    // A guard that has gone is noticed by its exit; writing to it then is no news.
    guard.stdin!.on('error', () => undefined);
    const output = { text: '' };
    const printed = guard.stdio[3] as Readable;
    printed.setEncoding('utf8');
    printed.on('data', (text: string) => {
      output.text = (output.text + text).slice(-MAX_OUTPUT_CHARACTERS);
    });
    printed.on('error', () => undefined);
    const pid = await firstLine(guard);
    return new GuardedProcess(guard, Number(pid), output);
  }

  /** Whether the server still runs, as far as we know; a stopped process counts as running. */
  get running(): boolean {
    return this.#running;
  }

  /** The last things that the server printed outside its log file. */
  get output(): string {
    return this.#output.text;
  }

  /** Sends a signal to the server; throws where it has already ended. */
  signal(name: NodeJS.Signals): void {
    if (!this.#running) throw new Error(`The server with process id ${this.pid} has ended.`);
    process.kill(this.pid, name);
  }

  /** Kills the server, also a stopped one, and waits until its process id is free. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    this.#setRef(true);
    await this.ended;
    this.#setRef(false);
  }

  /** Lets the folder live on for another guard; only for a server that has ended. */
  async leave(): Promise<void> {
    await this.ended;
    await this.#dismiss(() => this.#guard.stdin!.end('leave\n'));
  }

  /** Kills the server where it still runs, removes the folder, and waits for both. */
  async destroy(): Promise<void> {
    await this.#dismiss(() => this.#guard.stdin!.end());
  }

  /** From here on the server keeps no event loop alive: a forgotten one ends with us. */
  unref(): void {
    this.#setRef(false);
  }

  #setRef(holdsLoop: boolean): void {
    const method = holdsLoop ? 'ref' : 'unref';
    this.#guard[method]();
    for (const stream of this.#guard.stdio) (stream as Partial<Socket> | null)?.[method]?.();
  }

  async #dismiss(tell: () => void): Promise<void> {
    if (this.#guard.exitCode !== null || this.#guard.signalCode !== null) return;
    this.#guard.ref();
    const exited = new Promise((resolve) => this.#guard.once('exit', resolve));
    tell();
    await exited;
    this.#running = false;
  }

  #reapWhenEnded(): Promise<void> {
    const printed = this.#guard.stdio[3] as Readable;
    return new Promise((resolve) => {
      const reap = () => {
        // False from now on: the guard frees the process id as soon as it hears of this.
        this.#running = false;
        this.#guard.stdout!.once('data', () => resolve());
        this.#guard.once('exit', () => resolve());
        if (this.#guard.exitCode !== null) resolve();
        (this.#guard.stdin as Writable).write('ended\n');
      };
      if (printed.closed) reap();
      else printed.once('close', reap);
    });
  }
}

/** The first line that the guard prints. */
function firstLine(guard: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown) => {
      clearTimeout(timer);
      reject(new Error('The shell that guards the server did not start.', { cause }));
    };
    const timer = setTimeout(fail, SPAWN_TIMEOUT_MS);
    guard.once('error', fail);
    guard.once('exit', fail);
    guard.stdout!.setEncoding('utf8');
    guard.stdout!.once('data', (text: string) => {
      clearTimeout(timer);
      guard.off('exit', fail);
      resolve(text.trim());
    });
  });
}
