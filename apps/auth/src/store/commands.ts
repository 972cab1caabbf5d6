// The few commands that the store is made of, so that the same store runs on several clients.

import type { Script } from './scripts.js';

export interface RedisCommands {
  get(key: string): Promise<string | null>;
  exists(key: string): Promise<boolean>;
  /** False where the key exists. @param lifeSeconds 0: for ever. */
  setIfAbsent(key: string, value: string, lifeSeconds: number): Promise<boolean>;
  run(script: Script, keys: string[], args: string[]): Promise<unknown>;
  ping(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** EVALSHA, and EVAL where the server doesn't know the script (any more). */
export async function evaluate(
  evalSha: () => Promise<unknown>,
  evaluateSource: () => Promise<unknown>,
): Promise<unknown> {
  try {
    return await evalSha();
  } catch (error) {
    if (!String((error as Error).message).startsWith('NOSCRIPT')) throw error;
    return evaluateSource();
  }
}
