// Collects what is wrong with the configuration, so that the user reads all of it at once, and what
// is merely of no use. A problem's text names the option or variable and says what it must be. It never repeats a text
// that was given: a password or an address with one may have got into the wrong place.

import { InvalidOptionsError } from '../errors.js';
import type { PoolWarning, PoolWarningCode } from './options.js';

export class Problems {
  /** In whose list it stands too, and behind what its names stand there. */
  readonly #outer: { readonly problems: Problems; readonly prefix: string } | undefined;
  readonly #texts: string[] = [];
  readonly #refused = new Set<string>();
  readonly #warnings: PoolWarning[] = [];

  constructor(outer?: { readonly problems: Problems; readonly prefix: string }) {
    this.#outer = outer;
  }

  /** The same list for one of several things of a kind. @param prefix E.g. `endpoints[1].`. */
  within(prefix: string): Problems {
    return new Problems({ problems: this, prefix });
  }

  /** @param name Option or variable, e.g. `retry.capMs`. @param text Goes on from the name. */
  refuse(name: string, text: string): void {
    this.#texts.push(`${name} ${text}`);
    this.#refused.add(name);
    this.#outer?.problems.refuse(this.#outer.prefix + name, text);
  }

  /** Something is left aside, which is no reason not to start. @param message A sentence. */
  warn(code: PoolWarningCode, message: string): void {
    this.#warnings.push(Object.freeze({ code, message }));
    this.#outer?.problems.warn(code, this.#outer.prefix + message);
  }

  get warnings(): readonly PoolWarning[] {
    return Object.freeze([...this.#warnings]);
  }

  /** Whether one of them was refused, so that a rule which combines them has nothing to judge. */
  concern(...names: readonly string[]): boolean {
    const { problems, prefix } = this.#outer ?? {};
    return names.some((name) => this.#refused.has(name) || problems?.concern(prefix + name));
  }

  /** @throws InvalidOptionsError with every problem that was found. */
  throwIfAny(): void {
    if (this.#texts.length > 0) throw new InvalidOptionsError(this.#texts);
  }
}
