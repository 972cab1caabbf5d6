// What a crash of Redis may undo, as far as the server tells. A session that was ended comes back with
// the data of before, and its tokens are good again: whoever runs the service has to know. CONFIG and
// INFO may be forbidden (ACLs, managed services); then nobody knows, and that is what is said.
//
// Asked is the primary, of a cluster each of them, of which the worst counts. A replica is asked once
// it has taken over: what it would keep until then is not judged, nor what a failover loses.

import { PoolError } from 'plimsoll';
import { Gauge, type Registry } from 'prom-client';
import type { SecurityEvents } from '../security-events.js';
import type { Confirmation } from './confirmation.js';
import type { ShardClient, Shards } from './shards.js';

/** The settings of a server change while it runs, and after a failover it is another one, ms. */
const CHECK_PAUSE_MS = 60_000;
/** "A second" of `appendfsync everysec` is two in the worst case: a slow disk delays the write, too. */
const EVERYSEC_LOSS_SECONDS = 2;
/** What Linux keeps in memory at most with its defaults. */
const SYSTEM_LOSS_SECONDS = 30;

/** What the server answered; `undefined` where it refused. */
export interface ServerSettings {
  /** INFO persistence. */
  readonly info?: string | undefined;
  /** CONFIG GET appendfsync. */
  readonly appendfsync?: string | undefined;
  /** CONFIG GET save. */
  readonly save?: string | undefined;
}

export interface Durability {
  readonly persistence: string;
  /** Seconds of writes that may be lost with the server's machine; `undefined`: without bound. */
  readonly lossSeconds: number | undefined;
  /** A sentence for the log. */
  readonly summary: string;
}

export function durabilityOf({ info, appendfsync, save }: ServerSettings): Durability {
  const field = (name: string) => new RegExp(`^${name}:(\\w+)`, 'm').exec(info ?? '')?.[1];
  const isAppendOnly = field('aof_enabled');
  if (isAppendOnly === undefined) return unknown('INFO is forbidden');
  if (isAppendOnly === '1') {
    if (field('aof_last_write_status') === 'err') {
      return { ...unknown('the append-only file cannot be written'), persistence: 'aof' };
    }
    return appendOnly(appendfsync);
  }
  if (save === undefined) return unknown('there is no append-only file, and CONFIG is forbidden');
  return save.trim() === '' ? NONE : snapshots(save);
}

const NONE: Durability = {
  persistence: 'none',
  lossSeconds: undefined,
  summary: 'nothing is kept on disk: a restart of Redis ends all sessions, and loses all users',
};

function unknown(why: string): Durability {
  const summary = `what a crash of Redis may undo is unknown: ${why}`;
  return { persistence: 'unknown', lossSeconds: undefined, summary };
}

function appendOnly(appendfsync: string | undefined): Durability {
  const losses: Record<string, number> = {
    always: 0,
    everysec: EVERYSEC_LOSS_SECONDS,
    no: SYSTEM_LOSS_SECONDS,
  };
  const lossSeconds = losses[appendfsync ?? ''];
  if (lossSeconds === undefined) {
    return { ...unknown('appendfsync is, as CONFIG is forbidden'), persistence: 'aof' };
  }
  const summary = `a crash of the machine of Redis may undo the last ${lossSeconds} s`;
  return { persistence: `aof-${appendfsync}`, lossSeconds, summary };
}

/** @param save Pairs of seconds and changes: `3600 1 300 100`. */
function snapshots(save: string): Durability {
  const numbers = save.trim().split(/\s+/).map(Number);
  const afterOneChange = numbers.filter((_, index) => index % 2 === 0 && numbers[index + 1] === 1);
  const lossSeconds = afterOneChange.length === 0 ? undefined : Math.min(...afterOneChange);
  const since = lossSeconds === undefined ? 'all since the last snapshot' : `${lossSeconds} s`;
  const summary = `any crash of Redis may undo ${since}: a logout of that time is good again`;
  return { persistence: 'rdb', lossSeconds, summary };
}

/** Of the worst of all primaries that can be asked. @throws PoolError where none can. */
export async function readDurability(shards: Shards): Promise<Durability> {
  const all = await shards.all();
  const answers = await Promise.allSettled(all.map((shard) => shards.ask(shard, readOne)));
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [first, ...others] = found;
  if (first === undefined) throw (answers[0] as PromiseRejectedResult).reason;
  if (all.length === 1) return first;
  const worst = others.reduce((one, other) => (lossOf(other) > lossOf(one) ? other : one), first);
  const unasked = all.length - found.length;
  const silence = unasked === 0 ? '' : `, ${unasked} of which did not answer`;
  return {
    ...worst,
    summary: `${worst.summary}, on the worst of ${all.length} primaries${silence}`,
  };
}

function lossOf({ lossSeconds }: Durability): number {
  return lossSeconds ?? Number.POSITIVE_INFINITY;
}

async function readOne(client: ShardClient): Promise<Durability> {
  const configured = (name: string) =>
    unlessRefused(client.configGet(name)).then((answer) => answer?.[name]);
  const [info, appendfsync, save] = await Promise.all([
    unlessRefused(client.info('persistence')),
    configured('appendfsync'),
    configured('save'),
  ]);
  return durabilityOf({ info, appendfsync, save });
}

async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof PoolError) throw error;
    return undefined;
  }
}

export interface DurabilityWatchParts {
  readonly shards: Shards;
  readonly confirmation: Confirmation;
  readonly events: SecurityEvents;
  readonly registry: Registry;
}

/**
 * Looks now and each minute; tells what is new, and shows it in a gauge.
 * @returns Ends it.
 */
export function watchDurability(parts: DurabilityWatchParts): () => void {
  const gauge = new Gauge({
    name: 'auth_revocation_loss_seconds',
    help: 'Seconds of logouts that a crash of Redis may undo; -1: without bound, or unknown.',
    labelNames: ['persistence'],
    registers: [parts.registry],
    aggregator: 'max',
  });
  let told = '';
  const look = async () => {
    const { persistence, lossSeconds, summary, isAtRisk } = await judge(parts);
    gauge.reset();
    gauge.set({ persistence }, lossSeconds ?? -1);
    const isNew = told !== summary;
    told = summary;
    const event = isAtRisk ? 'revocations_at_risk' : 'revocations_kept';
    if (isNew) parts.events.emit(event, { reason: summary });
  };
  // Whether Redis can be reached is told elsewhere.
  const lookQuietly = () => void look().catch(() => undefined);
  lookQuietly();
  const timer = setInterval(lookQuietly, CHECK_PAUSE_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function judge({ shards, confirmation }: DurabilityWatchParts) {
  const durability = await readDurability(shards);
  const isKept = lossOf(durability) <= EVERYSEC_LOSS_SECONDS;
  if (!confirmation.isWanted) return { ...durability, isAtRisk: !isKept };
  try {
    await confirmation.confirmAll();
  } catch (error) {
    const { message } = (error as Error).cause as Error;
    const summary = `logouts cannot be confirmed: ${message}; ${durability.summary}`;
    return { ...durability, summary, isAtRisk: true };
  }
  const summary = `logouts are confirmed ${confirmation.place}; of all else, ${durability.summary}`;
  return confirmation.isOnDisk
    ? { ...durability, lossSeconds: 0, summary, isAtRisk: false }
    : { ...durability, summary, isAtRisk: !isKept };
}
