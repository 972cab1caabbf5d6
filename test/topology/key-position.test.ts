// Where keys stand among the words of a command: what the table says is what servers say, for every
// command that a server lists with keys.

import { beforeAll, expect, test } from 'vitest';
import { hasSubcommands } from '../../src/client/catalog.js';
import { keyIndexes } from '../../src/policy/key-position.js';
import { usePool } from '../client/pools.js';
import { describeEachServer } from '../support/servers.js';

/** Words for those whose keys are not the first words, or not at fixed places; more than one each. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  BITOP: ['AND d a', 'not d a', 'OR d a b c'],
  BLMPOP: ['0 2 a b LEFT', '0 1 a LEFT COUNT 3'],
  BLPOP: ['a 0', 'a b c 0'],
  BZMPOP: ['0 2 a b MIN', '0 1 a MAX COUNT 3'],
  EVAL: ['x 0', 'x 0 a b', 'x 2 a b c'],
  EVALSHA: ['x 2 a b c'],
  EVALSHA_RO: ['x 1 a b'],
  EVAL_RO: ['x 1 a b'],
  FCALL: ['f 0 a', 'f 2 a b c'],
  FCALL_RO: ['f 1 a b'],
  GEORADIUS: [
    'a 1 2 3 km',
    'a 1 2 3 km STORE d',
    'a 1 2 3 km COUNT 5 ANY STOREDIST d',
    'a 1 2 3 km store d STOREDIST e',
  ],
  GEORADIUSBYMEMBER: ['a STORE 3 km', 'a m 3 km ASC STORE d'],
  LMPOP: ['2 a b LEFT', '1 a LEFT COUNT 2'],
  MIGRATE: [
    'h 1 a 0 100',
    'h 1 a 0 100 COPY AUTH KEYS',
    'h 1 | 0 100 KEYS a b',
    'h 1 | 0 100 COPY REPLACE AUTH KEYS KEYS a b',
    'h 1 | 0 100 AUTH2 KEYS KEYS keys a',
  ],
  MSET: ['a 1', 'a 1 b 2'],
  MSETNX: ['a 1 b 2'],
  SINTERCARD: ['1 a', '2 a b LIMIT 3'],
  SORT: [
    'a',
    'a STORE d',
    'a BY STORE GET store LIMIT 0 5 STORE d STORE e',
    'a by x store d alpha',
  ],
  XREAD: ['STREAMS a 0', 'COUNT 5 BLOCK 10 streams a b 0 0', 'BLOCK 0 STREAMS STREAMS 0'],
  XREADGROUP: [
    'GROUP g c STREAMS a 0',
    'GROUP STREAMS STREAMS COUNT 1 NOACK STREAMS a b > >',
    'group g c block 5 streams a >',
  ],
  ZDIFF: ['2 a b', '1 a WITHSCORES'],
  ZDIFFSTORE: ['d 2 a b'],
  ZINTER: ['2 a b WEIGHTS 1 2'],
  ZINTERCARD: ['2 a b LIMIT 3'],
  ZINTERSTORE: ['d 2 a b AGGREGATE MAX'],
  ZMPOP: ['2 a b MIN'],
  ZUNION: ['2 a b WITHSCORES'],
  ZUNIONSTORE: ['d 2 a b WEIGHTS 1 2'],
};

/** Their channels are no keys, as the server puts it, but have slots as keys do. */
const OF_CHANNELS = ['SPUBLISH', 'SSUBSCRIBE', 'SUNSUBSCRIBE'];

/** `name arity flags first last step acl tips specs subcommands`. */
type Listed = [
  string,
  number,
  string[],
  number,
  number,
  number,
  string[],
  string[],
  unknown[],
  Listed[],
];

interface Keyed {
  readonly name: string;
  readonly arity: number;
}

describeEachServer('the keys of commands', (server) => {
  const pool = usePool(server);
  let keyed: Keyed[];

  beforeAll(async () => {
    const listed = (await pool().client.sendCommand(['COMMAND'])) as unknown as Listed[];
    keyed = listed.flatMap(withKeys);
  });

  test('stand where the server says, for all that it lists with keys', async () => {
    expect(keyed.length).toBeGreaterThan(150);
    const problems: string[] = [];
    for (const { name, arity } of keyed) {
      if (OF_CHANNELS.includes(name)) continue;
      const words = name.split(' ');
      const samples = SAMPLES[name] ?? fillers(words.length, arity);
      let isCompared = false;
      for (const sample of samples) {
        const args = sample.split(' ').map((word) => (word === '|' ? '' : word));
        const all = [...words, ...args];
        const said = await keysBy(pool(), all);
        if (said === undefined) continue;
        isCompared = true;
        const found = keyIndexes(name, all).map((index) => all[index]);
        if (String(said) !== String(found))
          problems.push(`${all.join(' ')}: ${said}, not ${found}`);
      }
      if (!isCompared) problems.push(`${name}: the server takes no sample`);
    }
    expect(problems).toEqual([]);
  });
});

/** As many words as the command takes at least, and some more. */
function fillers(taken: number, arity: number): string[] {
  const least = Math.abs(arity) - taken;
  const counts = arity < 0 ? [least, least + 2] : [least];
  return counts.map((count) => Array.from({ length: count }, (_, index) => `k${index}`).join(' '));
}

async function keysBy(pool: ReturnType<ReturnType<typeof usePool>>, words: string[]) {
  const asked = pool.client.sendCommand(['COMMAND', 'GETKEYS', ...words]);
  return (await asked.catch((error: Error) => {
    if (/no key arguments/.test(error.message)) return [];
    if (/Invalid arguments/.test(error.message)) return undefined;
    throw new Error(`${words.join(' ')}: ${error.message}`);
  })) as string[] | undefined;
}

function withKeys([name, arity, flags, first, , , , , specs, subcommands]: Listed): Keyed[] {
  const full = name.replace('|', ' ').toUpperCase();
  const hasKeys = first !== 0 || flags.includes('movablekeys') || specs.length > 0;
  const own = hasKeys && subcommands.length === 0 ? [{ name: full, arity }] : [];
  expect(subcommands.length === 0 || hasSubcommands(full)).toBe(true);
  return [...own, ...subcommands.flatMap(withKeys)];
}
