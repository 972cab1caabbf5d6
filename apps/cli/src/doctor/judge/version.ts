// Is the server old, and what does it lack of what the pool and its clients can use?

import type { ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { counted } from './numbers.js';

/** RESP3 and users; what is older gets no security fixes either. */
const OLD = [6, 0] as const;

/** What came when, of which the pool makes use. Valkey's first version stands on Redis 7.2. */
const FEATURES = [
  { since: [6, 0], name: 'RESP3 and ACL users' },
  { since: [6, 2], name: 'CLIENT LIST ID, by which a dead connection is told from a slow server' },
  { since: [7, 0], name: 'sharded pub/sub, functions and CLIENT NO-EVICT' },
  { since: [7, 2], name: "WAITAOF and the library's name in CLIENT LIST" },
] as const;

export interface Version {
  readonly product: 'Redis' | 'Valkey';
  readonly text: string;
}

/** `undefined` where the server does not say. */
export function versionOf({ info }: ServerFacts): Version | undefined {
  const valkey = info?.valkey_version;
  if (valkey !== undefined) return { product: 'Valkey', text: valkey };
  const redis = info?.redis_version;
  return redis === undefined ? undefined : { product: 'Redis', text: redis };
}

export function judgeVersion(server: ServerFacts): Verdict[] {
  const version = versionOf(server);
  if (version?.product !== 'Redis') return [];
  const [major = 0, minor = 0] = version.text.split('.').map(Number);
  const isBefore = ([wantedMajor, wantedMinor]: readonly [number, number]) =>
    major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
  if (isBefore(OLD)) {
    return [
      {
        code: 'VERSION_OLD',
        severity: 'warning',
        number: Number(`${major}.${minor}`),
        message: `Redis ${version.text} is older than ${OLD.join('.')}: no RESP3, no users, no fixes.`,
        cure: 'Valkey 8 or Redis 7.2 and later; a replica of the new version takes over without a stop.',
      },
    ];
  }
  const lacks = FEATURES.filter(({ since }) => isBefore(since)).map(({ name }) => name);
  if (lacks.length === 0) return [];
  return [
    {
      code: 'VERSION_LACKS',
      severity: 'notice',
      number: lacks.length,
      message: `Redis ${version.text} lacks ${counted(lacks.length, 'thing')} of use: ${lacks.join('; ')}.`,
      cure: 'Nothing fails for that; the next upgrade brings them.',
    },
  ];
}
