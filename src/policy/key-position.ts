// Where the keys of a command stand among its words: for commands that come as words, of which
// nobody has said which are keys. The first argument is the key, unless a line here says otherwise.
// What a server's own table says is compared with it in `test/topology/key-position.test.ts`.

type Word = string | Buffer;
type Words = readonly Word[];
type Finder = (words: Words) => number[];

/** @param last Counted from the end where it is negative. @param step From one key to the next. */
function between(first: number, last: number, step = 1): Finder {
  return (words) => {
    const end = last < 0 ? words.length + last : Math.min(last, words.length - 1);
    const indexes: number[] = [];
    for (let index = first; index <= end; index += step) indexes.push(index);
    return indexes;
  };
}

/** So many keys as a word says, right behind it. @param others Keys that stand elsewhere. */
function counted(countAt: number, others: readonly number[] = [], step = 1): Finder {
  return (words) => {
    const count = Number(words[countAt]);
    const indexes = [...others];
    for (let taken = 0, index = countAt + 1; taken < count && index < words.length; taken++) {
      indexes.push(index);
      index += step;
    }
    return indexes;
  };
}

/** The options of SORT, with how many words belong to each. */
const SORT_OPTIONS = new Map([
  ['LIMIT', 2],
  ['GET', 1],
  ['BY', 1],
]);

/** The last STORE is the one that counts. */
function sorted(words: Words): number[] {
  let destination: number | undefined;
  for (let index = 2; index < words.length; index++) {
    const word = upper(words[index]);
    if (word === 'STORE' && index + 1 < words.length) destination = ++index;
    else index += SORT_OPTIONS.get(word) ?? 0;
  }
  return destination === undefined ? [1] : [1, destination];
}

/** @param from Where options may begin. */
function storingRadius(from: number): Finder {
  return (words) => {
    const behind = (name: string) =>
      words.findIndex((word, index) => index >= from && upper(word) === name) + 1;
    return [1, behind('STORE'), behind('STOREDIST')].filter((index) => index > 0);
  };
}

/** The options of XREAD and XREADGROUP before STREAMS, with how many words belong to each. */
const STREAM_OPTIONS = new Map([
  ['BLOCK', 1],
  ['COUNT', 1],
  ['GROUP', 2],
  ['MAXCOUNT', 1],
  ['MAXSIZE', 1],
  ['CLAIM', 1],
  ['NOACK', 0],
]);

/** `STREAMS key key id id`: the first half of what follows. */
function streams(words: Words): number[] {
  for (let index = 1; index < words.length; index++) {
    const word = upper(words[index]);
    if (word === 'STREAMS') {
      const count = (words.length - 1 - index) / 2;
      return Number.isInteger(count) ? between(index + 1, index + count)(words) : [];
    }
    const taken = STREAM_OPTIONS.get(word);
    if (taken === undefined) return [];
    index += taken;
  }
  return [];
}

const MIGRATE_OPTIONS = new Map([
  ['COPY', 0],
  ['REPLACE', 0],
  ['AUTH', 1],
  ['AUTH2', 2],
]);

/** `host port key db timeout`; with an empty key, all that follows KEYS, if that isn't a password. */
function migrated(words: Words): number[] {
  if (words[3] === undefined || words[3].length > 0) return [3];
  for (let index = 6; index < words.length; index++) {
    const word = upper(words[index]);
    if (word === 'KEYS') return between(index + 1, -1)(words);
    index += MIGRATE_OPTIONS.get(word) ?? 0;
  }
  return [];
}

/** The index of a search is where its cursor is kept; without a cursor any server will do. */
function searched(words: Words): number[] {
  return words.some((word, index) => index > 2 && upper(word) === 'WITHCURSOR') ? [1] : [];
}

const FIRST = between(1, 1);
/** Of a container command, whose subcommand comes first. */
const SECOND = between(2, 2);
const FIRST_TWO = between(1, 2);
const ALL = between(1, -1);
const ALL_BUT_LAST = between(1, -2);
const COUNTED_FIRST = counted(1);
const COUNTED_SECOND = counted(2);
const INTO_COUNTED = counted(2, [1]);

const FINDERS: ReadonlyMap<string, Finder> = new Map([
  ...named(ALL, 'DEL EXISTS TOUCH UNLINK MGET PFCOUNT PFMERGE WATCH SSUBSCRIBE SUNSUBSCRIBE'),
  ...named(ALL, 'SDIFF SDIFFSTORE SINTER SINTERSTORE SUNION SUNIONSTORE'),
  ...named(between(1, -1, 2), 'MSET MSETNX'),
  ...named(between(1, -1, 3), 'JSON.MSET TS.MADD'),
  ...named(ALL_BUT_LAST, 'BLPOP BRPOP BZPOPMIN BZPOPMAX JSON.MGET'),
  ...named(between(2, -1), 'BITOP'),
  ...named(FIRST_TWO, 'BLMOVE BLMOVEM BRPOPLPUSH COPY GEOSEARCHSTORE LCS LMOVE LMOVEM RENAME'),
  ...named(FIRST_TWO, 'RENAMENX RPOPLPUSH SMOVE TS.CREATERULE TS.DELETERULE ZRANGESTORE'),
  ...named(SECOND, 'JSON.DEBUG PFDEBUG'),
  ...named(COUNTED_FIRST, 'LMPOP SDIFFCARD SINTERCARD SUNIONCARD ZDIFF ZINTER ZINTERCARD ZMPOP'),
  ...named(COUNTED_FIRST, 'ZUNION TS.NRANGE TS.NREVRANGE'),
  ...named(counted(1, [], 2), 'MSETEX'),
  ...named(COUNTED_SECOND, 'BLMPOP BZMPOP EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO'),
  ...named(INTO_COUNTED, 'CMS.MERGE TDIGEST.MERGE ZDIFFSTORE ZINTERSTORE ZUNIONSTORE'),
  ...named(sorted, 'SORT'),
  ...named(storingRadius(6), 'GEORADIUS'),
  ...named(storingRadius(5), 'GEORADIUSBYMEMBER'),
  ...named(streams, 'XREAD XREADGROUP'),
  ...named(migrated, 'MIGRATE'),
  ...named(searched, 'FT.AGGREGATE FT.HYBRID'),
]);

function named(finder: Finder, names: string): (readonly [string, Finder])[] {
  return names.split(' ').map((name) => [name, finder] as const);
}

/**
 * Indexes of the keys among the words of a command that has keys; empty where they are missing.
 * @param name In capitals, with the subcommand where it is a container command.
 * @param words As sent, the name first.
 */
export function keyIndexes(name: string, words: Words): number[] {
  const finder = FINDERS.get(name) ?? (name.includes(' ') ? SECOND : FIRST);
  return finder(words).filter((index) => index < words.length);
}

function upper(word: Word | undefined): string {
  return String(word).toUpperCase();
}
