// Numbers out of what servers say in text, and numbers for people.

const MIB = 1024 * 1024;

type Words = Readonly<Record<string, string>> | undefined;

/** `undefined` where the server did not say it. */
export function numberOf(words: Words, name: string): number | undefined {
  const text = words?.[name];
  const value = text === undefined || text === '' ? Number.NaN : Number.parseFloat(text);
  return Number.isFinite(value) ? value : undefined;
}

/** `1.5 GiB`, `512 bytes`. */
export function bytesText(bytes: number): string {
  if (bytes >= 1024 * MIB) return `${round(bytes / (1024 * MIB))} GiB`;
  if (bytes >= MIB) return `${round(bytes / MIB)} MiB`;
  return bytes >= 1024 ? `${round(bytes / 1024)} KiB` : `${bytes} bytes`;
}

/** To two digits behind the point below 10, to one below 100. */
export function round(value: number): number {
  const factor = value < 10 ? 100 : value < 100 ? 10 : 1;
  return Math.round(value * factor) / factor;
}

/** `1 key`, `2 keys`. */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

export interface Keys {
  readonly total: number;
  /** Those that expire. */
  readonly expiring: number;
}

/** Of all databases, from INFO keyspace: `db0:keys=2,expires=1,avg_ttl=0`. */
export function keysOf(info: Words): Keys {
  let [total, expiring] = [0, 0];
  for (const [name, text] of Object.entries(info ?? {})) {
    if (!/^db\d+$/.test(name)) continue;
    total += Number(/keys=(\d+)/.exec(text)?.[1] ?? 0);
    expiring += Number(/expires=(\d+)/.exec(text)?.[1] ?? 0);
  }
  return { total, expiring };
}

export interface Replica {
  readonly state: string;
  /** Since it last told how far it is, s. */
  readonly lagSeconds: number;
  readonly bytesBehind: number;
}

/** From INFO replication of a primary: `slave0:ip=...,port=...,state=online,offset=...,lag=0`. */
export function replicasOf(info: Words): Replica[] {
  const offset = numberOf(info, 'master_repl_offset') ?? 0;
  return Object.entries(info ?? {})
    .filter(([name]) => /^slave\d+$/.test(name))
    .map(([, text]) => {
      const fields = Object.fromEntries(text.split(',').map((field) => field.split('=')));
      return {
        state: fields.state ?? 'unknown',
        lagSeconds: Number(fields.lag ?? 0),
        bytesBehind: Math.max(0, offset - Number(fields.offset ?? offset)),
      };
    });
}
