// A pool without the drop-in client, and the few commands that fault tests need, under node-redis'
// names. It tests the mechanism alone; suites in the users' language go through `createPool()`.

import { systemClock } from '../../src/base/clock.js';
import { Command, type RetryClass } from '../../src/base/command.js';
import type { ClientOptionsSubset, PoolOptions } from '../../src/config/options.js';
import { resolveOptions } from '../../src/config/resolve.js';
import type { CommandExecutor } from '../../src/pool/executor.js';
import { ConnectionPool } from '../../src/pool/pool.js';
import { SingleTopology } from '../../src/topology/single.js';
import { StandaloneSource } from '../../src/topology/standalone.js';
import { CommandEncoder } from '../../src/wire/encoder.js';

type Argument = string | Buffer;

export interface CoreOptions {
  /** Deadline, ms; default 5,000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  readonly retryWrites?: 'safe' | 'always' | 'never';
  /** Bulk strings come as Buffers. */
  readonly buffers?: boolean;
}

export function openPool(options: PoolOptions & ClientOptionsSubset): ConnectionPool {
  const resolved = resolveOptions(options, {});
  const source = new StandaloneSource(resolved.target, systemClock);
  return new ConnectionPool(resolved, {
    topology: new SingleTopology(source),
    clock: systemClock,
    random: Math.random,
  });
}

const BLOB_STRING = 36;

export class CoreClient {
  constructor(
    readonly executor: Pick<CommandExecutor, 'execute'>,
    readonly options: CoreOptions = {},
  ) {}

  with(options: CoreOptions): CoreClient {
    return new CoreClient(this.executor, { ...this.options, ...options });
  }

  run<T = unknown>(retryClass: RetryClass, ...args: Argument[]): Promise<T> {
    return this.executor.execute(this.command(retryClass, args), this.options.signal) as Promise<T>;
  }

  read<T = unknown>(...args: Argument[]): Promise<T> {
    return this.run<T>('read', ...args);
  }

  write<T = unknown>(...args: Argument[]): Promise<T> {
    return this.run<T>('write', ...args);
  }

  command(retryClass: RetryClass, args: readonly Argument[]): Command {
    const encoder = new CommandEncoder();
    encoder.push(...args);
    const { timeout, buffers, retryWrites } = this.options;
    const settings = {
      timeoutMs: timeout ?? 5_000,
      replyTypes: buffers === true ? { [BLOB_STRING]: Buffer } : undefined,
      retryWrites,
    };
    const kind = { name: encoder.name, retryClass };
    return new Command(kind, settings, encoder.payload(), encoder.ascii);
  }
}
