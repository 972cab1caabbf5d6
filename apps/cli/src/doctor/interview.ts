// Questions to one server. What it refuses is noted, not thrown: a restricted user, a managed service
// and an old server leave some questions open, and all others are worth their answers.

import type { PlimsollClient } from 'plimsoll';

export type Reply = unknown;

export class Interview {
  readonly #client: PlimsollClient;
  readonly #refused = new Set<string>();

  constructor(client: PlimsollClient) {
    this.#client = client;
  }

  /** Questions without an answer, as an ACL names commands: `config|get`. */
  get refused(): string[] {
    return [...this.#refused];
  }

  /** `undefined`: refused. */
  async ask(...words: readonly string[]): Promise<Reply> {
    try {
      return await this.#client.sendCommand([...words]);
    } catch {
      this.#refused.add(aclNameOf(words));
      return undefined;
    }
  }

  async text(...words: readonly string[]): Promise<string | undefined> {
    const reply = await this.ask(...words);
    return reply === undefined || reply === null ? undefined : String(reply);
  }
}

const CONTAINERS: ReadonlySet<string> = new Set([
  ...['CLIENT', 'CLUSTER', 'CONFIG', 'LATENCY', 'SLOWLOG', 'SENTINEL'],
]);

/** `CLIENT LIST ID 0` is `client|list`. */
export function aclNameOf([name = '', next]: readonly string[]): string {
  const isContainer = CONTAINERS.has(name) && next !== undefined;
  return (isContainer ? `${name}|${next}` : name).toLowerCase();
}
