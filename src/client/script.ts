// Lua scripts: the server is asked to run what it may know by its digest, and gets the text only
// when it doesn't. The server's NOSCRIPT says that nothing was executed, so that sending again is
// always safe; one that a script made up would be in words of its own.

import type { Clock } from '../base/clock.js';
import { systemClock } from '../base/clock.js';
import { CommandEncoder } from '../wire/encoder.js';
import { ErrorReply, type RedisScript } from '../wire/protocol.js';
import { classOfDefinition } from './catalog.js';
import type { CommandContext } from './context.js';
import { argumentError, type KeyTerms } from './encode.js';
import { issue } from './issue.js';
import { type ClientCommandKind, kindWith, type Transforms } from './kind.js';

const UNKNOWN_DIGEST = 'NOSCRIPT No matching script';

export class ScriptCall {
  readonly script: RedisScript;
  readonly transforms: Transforms;
  readonly #byDigest: ClientCommandKind;
  readonly #byText: ClientCommandKind;
  readonly #clock: Clock;

  constructor(script: RedisScript, transforms: Transforms, clock: Clock = systemClock) {
    const suffix = script.IS_READ_ONLY ? '_RO' : '';
    const kindNamed = (name: string) => {
      const found = classOfDefinition(name + suffix, undefined, script.IS_READ_ONLY);
      return kindWith({ ...found, hasText: true }, transforms);
    };
    this.script = script;
    this.transforms = transforms;
    this.#byDigest = kindNamed('EVALSHA');
    this.#byText = kindNamed('EVAL');
    this.#clock = clock;
  }

  run(context: CommandContext, args: readonly unknown[]): Promise<unknown> {
    const startedAt = this.#clock.now();
    return this.#send(context, false, args).catch((error: unknown) => {
      if (!(error instanceof ErrorReply && error.message.startsWith(UNKNOWN_DIGEST))) throw error;
      return this.#send(this.#withTimeLeft(context, startedAt), true, args);
    });
  }

  /** @throws PoolError INVALID_ARGUMENT. @param withText Whether the script itself is sent. */
  encode(
    { keyPrefix, isSharded }: KeyTerms,
    withText: boolean,
    args: readonly unknown[],
  ): CommandEncoder {
    const { script } = this;
    const encoder = new CommandEncoder(keyPrefix, isSharded);
    try {
      if (withText) encoder.push(this.#byText.name, script.SCRIPT);
      else encoder.push(this.#byDigest.name, script.SHA1);
      if (script.NUMBER_OF_KEYS !== undefined) encoder.push(String(script.NUMBER_OF_KEYS));
      script.parseCommand(encoder, ...args);
    } catch (error) {
      throw argumentError(error);
    }
    return encoder;
  }

  async #send(
    context: CommandContext,
    withText: boolean,
    args: readonly unknown[],
  ): Promise<unknown> {
    const encoder = this.encode(context, withText, args);
    return issue(context, encoder, withText ? this.#byText : this.#byDigest);
  }

  /** Both attempts share one deadline. */
  #withTimeLeft(context: CommandContext, startedAt: number): CommandContext {
    if (context.timeoutMs === 0) return context;
    const leftMs = context.timeoutMs - (this.#clock.now() - startedAt);
    return context.with({ timeout: Math.max(1, leftMs) });
  }
}
