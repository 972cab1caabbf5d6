// Runs a generator in this process, for tests of what it measures; returns the merged books. A run
// ends after its time, or as soon as a test has seen enough.

import { Generator } from '../../src/generator/generator.js';
import type { GeneratorSettings, GeneratorWindow } from '../../src/generator/protocol.js';
import { parseHost, resolveTarget } from '../../src/http/target.js';
import { Ledger } from '../../src/stats/ledger.js';
import type { UserClass } from '../../src/user-class.js';

const POLL_MS = 50;

export interface Generated {
  readonly ledger: Ledger;
  readonly windows: GeneratorWindow[];
}

export async function generate(
  userClass: UserClass,
  host: string,
  runTimeMs: number,
  overrides: Partial<GeneratorSettings> = {},
  isEnough: (ledger: Ledger) => boolean = () => false,
): Promise<Generated> {
  const parsed = parseHost(host);
  const windows: GeneratorWindow[] = [];
  const ledger = new Ledger(Date.now(), 1);
  const generator = new Generator({
    settings: { ...DEFAULTS, host, ...overrides },
    userClasses: [userClass],
    host: parsed,
    target: await resolveTarget(parsed),
    accounts: undefined,
    onWindow: (window) => {
      windows.push(window);
      ledger.add(0, window);
    },
  });
  generator.start();
  const endMs = Date.now() + runTimeMs;
  while (Date.now() < endMs && !isEnough(ledger)) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(POLL_MS, endMs - Date.now())));
  }
  await generator.stop();
  return { ledger, windows };
}

const DEFAULTS: GeneratorSettings = {
  userClasses: { locustfiles: [], names: [], tags: [], excludeTags: [] },
  iterations: undefined,
  plan: undefined,
  host: '',
  users: 1,
  processIndex: 0,
  processCount: 1,
  spawnRate: 1000,
  rate: undefined,
  stopTimeoutMs: 2000,
  requestTimeoutMs: 5000,
  seed: 1,
  waitScale: 1,
  usersFile: undefined,
};
