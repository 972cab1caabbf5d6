// The generator processes of a run: forks them, tells all of them to start and stop together, and
// notices when one dies. The load never comes from the caller's own process.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type {
  FromGenerator,
  GeneratorSettings,
  GeneratorWindow,
  ToGenerator,
} from './generator/protocol.js';
import type { LoadStage } from './load-shape.js';

/** For a process to load its user class and users. */
const PREPARE_TIMEOUT_MS = 60_000;
/** For the last windows, beyond the stop timeout. */
const STOP_MARGIN_MS = 10_000;

export interface FleetEvents {
  onWindow(processIndex: number, window: GeneratorWindow): void;
  /** A process has done all of its iterations. */
  onFinished(processIndex: number): void;
  /** A process ended before it was told to. */
  onCrash(processIndex: number, reason: string): void;
}

interface Member {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  isDone: boolean;
  /** Why the conductor ended it, where it did. */
  reason?: string;
}

export class Fleet {
  readonly #members: Member[];
  #disbanded = false;

  constructor(
    settings: readonly GeneratorSettings[],
    private readonly events: FleetEvents,
  ) {
    this.#members = settings.map((one) => this.#launch(one));
  }

  /** Resolves when all are ready; rejects when one can't be. */
  async prepare(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      const error = new Error(`A generator was not ready after ${PREPARE_TIMEOUT_MS} ms.`);
      timer = setTimeout(() => reject(error), PREPARE_TIMEOUT_MS);
    });
    const all = Promise.all(this.#members.map((member) => member.ready));
    await Promise.race([all, limit]).finally(() => clearTimeout(timer));
  }

  start(): void {
    this.#tell({ type: 'start' });
  }

  /** So many users by all processes together from now on. */
  change(stage: LoadStage): void {
    this.#tell({ type: 'change', stage });
  }

  /** Resolves when all have sent their last window or had time enough, which is a crash. */
  async stop(stopTimeoutMs: number): Promise<void> {
    this.#tell({ type: 'stop' });
    const limitMs = stopTimeoutMs + STOP_MARGIN_MS;
    const timer = setTimeout(() => {
      for (const index of this.#members.keys()) this.end(index, `it did not stop in ${limitMs} ms`);
    }, limitMs);
    await Promise.all(this.#members.map((member) => member.ended));
    clearTimeout(timer);
    this.#disbanded = true;
  }

  /** Ends a process that no longer does its work, which counts as its crash. */
  end(processIndex: number, reason: string): void {
    const member = this.#members[processIndex]!;
    member.reason ??= reason;
    member.child.kill('SIGKILL');
  }

  /** Ends all processes at once. */
  kill(): void {
    this.#disbanded = true;
    for (const { child } of this.#members) child.kill('SIGKILL');
  }

  #tell(message: ToGenerator): void {
    for (const { child, isDone } of this.#members) {
      if (!isDone && child.connected) child.send(message);
    }
  }

  #launch(settings: GeneratorSettings): Member {
    const child = fork(generatorFile(), [], { serialization: 'advanced', execArgv: [] });
    const { processIndex } = settings;
    const ready = deferred();
    const ended = deferred();
    const member: Member = { child, ready: ready.promise, ended: ended.promise, isDone: false };
    // A crash before anybody waits is told by `prepare`, not as an unhandled rejection.
    member.ready.catch(() => {});
    let reason: string | undefined;
    child.on('message', (message: FromGenerator) => {
      if (message.type === 'window') this.events.onWindow(processIndex, message);
      else if (message.type === 'ready') ready.resolve();
      else if (message.type === 'done') member.isDone = true;
      else if (message.type === 'finished') this.events.onFinished(processIndex);
      else reason = message.message;
    });
    child.on('error', (error) => {
      reason ??= error.message;
    });
    child.on('exit', (code, signal) => {
      reason ??= member.reason ?? `it ended with ${signal ?? `exit code ${code}`}`;
      ready.reject(new Error(`Generator ${processIndex + 1} could not start: ${reason}`));
      ended.resolve();
      if (!member.isDone && !this.#disbanded) this.events.onCrash(processIndex, reason);
      member.isDone = true;
    });
    child.send({ type: 'prepare', settings } satisfies ToGenerator);
    return member;
  }
}

function deferred() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** The compiled file, also where this one runs from its source. */
function generatorFile(): string {
  const file = fileURLToPath(new URL('./generator/process.js', import.meta.url));
  return import.meta.url.endsWith('.ts')
    ? file.replace('/src/generator/', '/dist/generator/')
    : file;
}
