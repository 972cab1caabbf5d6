// Lua scripts: the server is asked to run what it may know by its digest, and gets the text only
// when it doesn't. NOSCRIPT says that nothing was executed, so sending again is always safe.

import type { Clock } from '../base/clock.js';
import { systemClock } from '../base/clock.js';
import { CommandEncoder } from '../wire/encoder.js';
import { ErrorReply, type RedisArgument, type RedisScript } from '../wire/protocol.js';
import { classOfDefinition } from './catalog.js';
import type { CommandContext } from './context.js';
import { argumentError } from './encode.js';
import { issue, kindWith, type Transforms } from './issue.js';

export class ScriptCall {
  readonly script: RedisScript;
  readonly #transforms: Transforms;
  readonly #byDigest: 'EVALSHA' | 'EVALSHA_RO';
  readonly #byText: 'EVAL' | 'EVAL_RO';
  readonly #clock: Clock;

  constructor(script: RedisScript, transforms: Transforms, clock: Clock = systemClock) {
    this.script = script;
    this.#transforms = transforms;
    this.#byDigest = script.IS_READ_ONLY ? 'EVALSHA_RO' : 'EVALSHA';
    this.#byText = script.IS_READ_ONLY ? 'EVAL_RO' : 'EVAL';
    this.#clock = clock;
  }

  get transforms(): Transforms {
    return this.#transforms;
  }

  run(context: CommandContext, args: readonly unknown[]): Promise<unknown> {
    const startedAt = this.#clock.now();
    return this.#send(context, false, args).catch((error: unknown) => {
      if (!(error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))) throw error;
      return this.#send(this.#withTimeLeft(context, startedAt), true, args);
    });
  }

  /** @throws PoolError INVALID_ARGUMENT. @param withText Whether the script itself is sent. */
  encode(
    keyPrefix: RedisArgument | undefined,
    withText: boolean,
    args: readonly unknown[],
  ): CommandEncoder {
    const { script } = this;
    const encoder = new CommandEncoder(keyPrefix);
    try {
      if (withText) encoder.push(this.#byText, script.SCRIPT);
      else encoder.push(this.#byDigest, script.SHA1);
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
    const encoder = this.encode(context.keyPrefix, withText, args);
    const commandClass = classOfDefinition(encoder.name, undefined, false);
    return issue(context, encoder, kindWith(commandClass, this.#transforms));
  }

  /** Both attempts share one deadline. */
  #withTimeLeft(context: CommandContext, startedAt: number): CommandContext {
    if (context.timeoutMs === 0) return context;
    const leftMs = context.timeoutMs - (this.#clock.now() - startedAt);
    return context.with({ timeout: Math.max(1, leftMs) });
  }
}
