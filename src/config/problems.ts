// Collects what is wrong with the configuration, so that the user reads all of it at once. A
// problem's text names the option or variable and says what it must be. It never repeats a text
// that was given: a password or an address with one may have got into the wrong place.

import { InvalidOptionsError } from '../errors.js';

export class Problems {
  readonly #texts: string[] = [];
  readonly #refused = new Set<string>();

  /** @param name Option or variable, e.g. `retry.capMs`. @param text Goes on from the name. */
  refuse(name: string, text: string): void {
    this.#texts.push(`${name} ${text}`);
    this.#refused.add(name);
  }

  /** Whether one of them was refused, so that a rule which combines them has nothing to judge. */
  concern(...names: readonly string[]): boolean {
    return names.some((name) => this.#refused.has(name));
  }

  /** @throws InvalidOptionsError with every problem that was found. */
  throwIfAny(): void {
    if (this.#texts.length > 0) throw new InvalidOptionsError(this.#texts);
  }
}
