// A cluster in memory, as the client above the pool sees it: it has what commands need a cluster
// for, and does what the pool does about redirects. For units; it has no connections and no time.

import type { Command } from '../../src/base/command.js';
import { keySlot, SLOT_COUNT } from '../../src/base/key-slot.js';
import { clientClass } from '../../src/client/client-class.js';
import { CommandContext } from '../../src/client/context.js';
import type { ClientHost } from '../../src/client/host.js';
import { clientSetup } from '../../src/client/setup.js';
import type { PlimsollClient } from '../../src/client/types.js';
import { PoolError } from '../../src/errors.js';
import { judgeServersWord } from '../../src/policy/reply-verdict.js';
import type { PoolExecutor } from '../../src/pool/executor.js';
import { ErrorReply } from '../../src/wire/protocol.js';

/** One execution: which server, and what it was asked. */
export interface Execution {
  readonly endpointId: string;
  readonly words: readonly string[];
}

type Answer = (words: readonly string[], endpointId: string) => unknown;

export class FakeCluster implements PoolExecutor {
  readonly isSharded = true;
  readonly commands: Command[] = [];
  readonly exclusive: Command[] = [];
  readonly executions: Execution[] = [];
  /** By server. */
  readonly data = new Map<string, Map<string, string>>();
  /** Asked before the servers' own answers; `undefined`: it has none. */
  onCommand: Answer | undefined;
  /** Whether a single command that is sent away is followed, as the pool does. */
  isFollowing = true;
  /** Who has a slot, as the servers see it. */
  readonly #owners: string[];
  /** The same as the pool sees it. */
  readonly #known: string[];

  constructor(ids: readonly string[] = ['a:1', 'b:2', 'c:3']) {
    const size = Math.ceil(SLOT_COUNT / ids.length);
    this.#owners = Array.from({ length: SLOT_COUNT }, (_, slot) => ids[Math.floor(slot / size)]!);
    this.#known = [...this.#owners];
    for (const id of ids) this.data.set(id, new Map());
  }

  get endpoints() {
    return this.endpointIds().map((id) => ({ id, address: id, role: 'primary' as const }));
  }

  endpointIds(): readonly string[] {
    return [...this.data.keys()];
  }

  slotOwnerId(slot: number): string | undefined {
    return this.#known[slot];
  }

  ownerOf(key: string): string {
    return this.#owners[keySlot(key)]!;
  }

  /** @param isKnown Whether the pool has heard of it. */
  moveSlot(slot: number, to: string, isKnown = true): void {
    const from = this.#owners[slot]!;
    this.#owners[slot] = to;
    if (isKnown) this.#known[slot] = to;
    for (const [key, value] of [...this.data.get(from)!]) {
      if (keySlot(key) !== slot) continue;
      this.data.get(from)!.delete(key);
      this.data.get(to)!.set(key, value);
    }
  }

  /** A replica takes over: the same data under another name. */
  replace(from: string, to: string): void {
    this.data.set(to, this.data.get(from)!);
    this.data.delete(from);
    for (const owners of [this.#owners, this.#known]) {
      for (const [slot, owner] of owners.entries()) if (owner === from) owners[slot] = to;
    }
  }

  set(key: string, value: string): void {
    this.data.get(this.ownerOf(key))!.set(key, value);
  }

  execute(command: Command, signal?: AbortSignal): Promise<unknown> {
    this.commands.push(command);
    if (signal?.aborted) command.fail(new PoolError('ABORTED', 'aborted', { sent: false }));
    else this.#run(command, 0);
    return command.promise;
  }

  executeExclusive(command: Command): Promise<unknown> {
    this.exclusive.push(command);
    command.succeed(null);
    return command.promise;
  }

  acquireLease(): Promise<never> {
    return Promise.reject(new Error('no lease here'));
  }

  refuse(command: Command, error: Error): void {
    command.fail(error);
  }

  refusal(error: Error): Promise<never> {
    return Promise.reject(error);
  }

  #run(command: Command, hops: number): void {
    const { route } = command;
    const endpointId =
      route?.endpointId ?? this.#known[route?.slot ?? 0] ?? (this.endpointIds()[0] as string);
    let replies: unknown[];
    try {
      replies = commandsIn(command).map((words) => this.#answer(words, endpointId));
    } catch (error) {
      command.fail(error);
      return;
    }
    const errors = replies.filter((reply) => reply instanceof ErrorReply);
    if (command.replyCount > 1) this.#settleBatch(command, replies, hops);
    else if (errors.length === 0) command.succeed(replies[0]);
    else if (!this.#follows(command, judgeServersWord(errors[0]!.message), hops)) {
      command.fail(errors[0]);
    }
  }

  #settleBatch(command: Command, replies: unknown[], hops: number): void {
    const refusal = command.kind.refusalIn?.(replies, command.preserve);
    if (refusal !== undefined && this.#follows(command, refusal.verdict, hops)) return;
    command.succeed(replies);
  }

  #follows(command: Command, verdict: ReturnType<typeof judgeServersWord>, hops: number): boolean {
    const { redirect, again } = verdict;
    if (redirect === undefined || again === 'no' || !this.isFollowing || hops > 3) return false;
    this.#known[redirect.slot] = redirect.to;
    this.#run(command, hops + 1);
    return true;
  }

  #answer(words: readonly string[], endpointId: string): unknown {
    this.executions.push({ endpointId, words });
    const given = this.onCommand?.(words, endpointId);
    return given === undefined ? this.#ownAnswer(words, endpointId) : given;
  }

  #ownAnswer(words: readonly string[], endpointId: string): unknown {
    const data = this.data.get(endpointId)!;
    const [name, key = '', value = ''] = words;
    switch (name?.toUpperCase()) {
      case 'GET':
        return this.#sentAway(key, endpointId) ?? data.get(key) ?? null;
      case 'SET':
      case 'MSET':
        return this.#store(data, words, endpointId);
      case 'MGET':
        return (
          this.#sentAway(key, endpointId) ?? words.slice(1).map((one) => data.get(one) ?? null)
        );
      case 'DEL':
        return (
          this.#sentAway(key, endpointId) ?? words.slice(1).filter((one) => data.delete(one)).length
        );
      case 'EXISTS':
        return (
          this.#sentAway(key, endpointId) ?? words.slice(1).filter((one) => data.has(one)).length
        );
      case 'DBSIZE':
        return data.size;
      case 'KEYS':
        return [...data.keys()];
      case 'RANDOMKEY':
        return [...data.keys()][0] ?? null;
      case 'SCAN':
        return page(data, Number(key), Number(words[words.indexOf('COUNT') + 1]) || 10);
      case 'ECHO':
        return value;
      default:
        return 'OK';
    }
  }

  #store(data: Map<string, string>, words: readonly string[], endpointId: string): unknown {
    const away = this.#sentAway(words[1]!, endpointId);
    if (away !== undefined) return away;
    for (let index = 1; index < words.length; index += 2)
      data.set(words[index]!, words[index + 1]!);
    return 'OK';
  }

  #sentAway(key: string, endpointId: string): ErrorReply | undefined {
    const owner = this.ownerOf(key);
    if (owner === endpointId) return undefined;
    return new ErrorReply(`MOVED ${keySlot(key)} ${owner}`);
  }
}

/** Redis' cursors are opaque; these are the next index, times 8. */
function page(data: Map<string, string>, cursor: number, count: number): [string, string[]] {
  const keys = [...data.keys()].sort();
  const start = cursor / 8;
  const next = start + count;
  return [next < keys.length ? String(next * 8) : '0', keys.slice(start, next)];
}

/** The words of each command in a payload. */
export function commandsIn({ payload }: Command): string[][] {
  const parts = (typeof payload === 'string' ? [payload] : payload).map((part) =>
    Buffer.from(part),
  );
  const bytes = Buffer.concat(parts);
  const commands: string[][] = [];
  let cursor = 0;
  const line = () => {
    const end = bytes.indexOf('\r\n', cursor);
    const text = bytes.toString('latin1', cursor, end);
    cursor = end + 2;
    return text;
  };
  while (cursor < bytes.length) {
    const words = Array.from({ length: Number(line().slice(1)) }, () => {
      const length = Number(line().slice(1));
      const word = bytes.toString('utf8', cursor, cursor + length);
      cursor += length + 2;
      return word;
    });
    commands.push(words);
  }
  return commands;
}

/** A client on such a cluster. @param options The client's part of those of `createPool()`. */
export function useFakeCluster(options: object = {}): {
  readonly cluster: FakeCluster;
  readonly redis: PlimsollClient;
} {
  const cluster = new FakeCluster();
  const setup = clientSetup(options);
  const { keyPrefix, commandOptions } = setup;
  const context = new CommandContext({ pool: cluster }, keyPrefix, 5_000, commandOptions);
  const Class = clientClass(setup.sets, true);
  const client = new Class({ setup } as unknown as ClientHost, context);
  return { cluster, redis: client as unknown as PlimsollClient };
}

/** Keys of three servers, of slots 3300, 7365 and 15495. */
export const [A, B, C] = ['b', 'c', 'a'] as const;
