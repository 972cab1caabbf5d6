// From what a caller gave to an encoded command and its class: by one of node-redis' definitions,
// or word by word.

import { PoolError } from '../errors.js';
import { CommandEncoder } from '../wire/encoder.js';
import type { CommandDefinition, RedisArgument, RespVersions } from '../wire/protocol.js';
import { classOfDefinition, hasSubcommands } from './catalog.js';
import { type ClientCommandKind, kindWith, type Transforms, transformsOf } from './kind.js';

/** What is to be done with keys. */
export interface KeyTerms {
  readonly keyPrefix: RedisArgument | undefined;
  /** Whether they decide where a command runs. */
  readonly isSharded: boolean;
}

/** A definition with all that need not be found out anew for each call. */
export class DefinedCommand {
  readonly definition: CommandDefinition;
  readonly transforms: Transforms;
  /** Arguments before those of the definition: FCALL and the function's name. */
  readonly prefix: readonly RedisArgument[];
  #name = '';
  /** For a container command alone, whose class follows from it. */
  #subcommand: string | undefined = undefined;
  #isContainer = false;
  #kind: ClientCommandKind | undefined = undefined;

  constructor(
    definition: CommandDefinition,
    resp: RespVersions,
    prefix: readonly RedisArgument[] = [],
  ) {
    this.definition = definition;
    this.transforms = transformsOf(definition, resp);
    this.prefix = prefix;
  }

  /** @throws PoolError INVALID_ARGUMENT */
  encode({ keyPrefix, isSharded }: KeyTerms, args: readonly unknown[]): CommandEncoder {
    const encoder = new CommandEncoder(keyPrefix, isSharded);
    try {
      for (const argument of this.prefix) encoder.push(argument);
      this.definition.parseCommand(encoder, ...args);
    } catch (error) {
      throw argumentError(error);
    }
    return encoder;
  }

  /** The kind of what was encoded. A definition always has the same name, which is checked. */
  kindOf(encoder: CommandEncoder): ClientCommandKind {
    const known = this.#kind;
    const isSame =
      encoder.name === this.#name &&
      (!this.#isContainer || encoder.subcommand === this.#subcommand);
    return known !== undefined && isSame ? known : this.#lookUp(encoder);
  }

  #lookUp({ name, subcommand }: CommandEncoder): ClientCommandKind {
    const found = classOfDefinition(name, subcommand, this.definition.IS_READ_ONLY);
    this.#name = name;
    this.#isContainer = hasSubcommands(name);
    this.#subcommand = this.#isContainer ? subcommand : undefined;
    this.#kind = kindWith(found, this.transforms);
    return this.#kind;
  }
}

/** RESP of words as they are. @throws PoolError INVALID_ARGUMENT */
export function encodeWords(args: readonly RedisArgument[]): CommandEncoder {
  if (!Array.isArray(args) || args.length === 0) {
    const text = 'A command must be an array of strings or Buffers that is not empty';
    throw new PoolError('INVALID_ARGUMENT', text, { sent: false });
  }
  const encoder = new CommandEncoder();
  for (const argument of args) encoder.push(argument);
  return encoder;
}

/** What a definition throws at wrong arguments, as the error that the caller gets. */
export function argumentError(error: unknown): PoolError {
  if (error instanceof PoolError) return error;
  let text = error instanceof Error ? error.message : 'not understood';
  // Some definitions spread what they get, which overflows the stack at some 100,000.
  if (error instanceof RangeError) text += '; sendCommand() takes any number of arguments';
  return new PoolError('INVALID_ARGUMENT', `Wrong arguments: ${text}`, {
    cause: error,
    sent: false,
  });
}
