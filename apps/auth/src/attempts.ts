// How often passwords may be tried, so that guessing is slow and nobody locks others out
// (docs/adr/0011-nobody-locks-others-out.md):
//
//   account and network    failures fill a bucket that runs dry in a minute
//   network                the same for failures of whatever accounts, and for registrations
//   account and site       where all failures of an account are too many, each site may try once in
//                          a while, ever more rarely; no site waits for another
//
// What an account and what a site has counted lie in two slots of a cluster, so they are two steps:
// first the site's, whose attempt it is. Where the account's refuse, or can't be asked, the site gets
// its share back; so nobody's account has it harder by attempts that its site may not make.
//
// A device that the account knows (tokens/device-tokens.ts) has a bucket of its own and is held up
// by nobody. An attempt counts before its password is looked at, so that a thousand at once are a
// thousand, and is forgiven when it was no failure. Names that nobody has are treated alike.

import { Problem } from './errors.js';
import type { SecurityEvents } from './security-events.js';
import type { RedisCommands } from './store/commands.js';
import { attemptsKey, homeOf } from './store/keys.js';
import { script } from './store/scripts.js';
import { reach } from './store/store.js';

/** What the limits are of, and what it takes a full bucket to run dry. */
const WINDOW_MS = 60_000;
/** An account is under attack with so many times the failures that one network may have. */
const ATTACK_FACTOR = 5;
/** An account is forgiven a failure after so long: more than a bucket takes, so patience shows. */
const FORGIVENESS_MS = 60_000;
/** So many failures more double the time that a site has to wait. */
const DOUBLING = 10;
/** From one site come so many times the registrations of one network, at most. */
const REGISTRATION_FACTOR = 4;
const FIRST_WAIT_MS = 1_000;
/** No site waits longer, whatever others do. */
export const MAX_WAIT_MS = 900_000;

/**
 * Counters have their level as their time to live, so they go by themselves and no clock but the
 * server's is read. One that is higher than it can have become, because that clock was set back, is
 * cut to that.
 * KEYS buckets; then the failures of an account and the wait of a site, or neither.
 * ARGV number of buckets, ms until a full one is empty, ms that an attempt adds to each; then ms
 * that one adds to the failures, ms that make an attack, ms that double the wait, first and longest
 * wait (ms).
 * Answers {0, 1 where an attack begins}, or {number of the key that refuses, ms to wait}, with
 * nothing counted.
 */
const COUNT_ATTEMPT = script(
  'count-attempt',
  `
local arg = {}
for i = 1, #ARGV do arg[i] = tonumber(ARGV[i]) end
local function level(key, most)
  local ms = math.max(0, redis.call('PTTL', key))
  if ms > most then redis.call('PEXPIRE', key, most) end
  return math.min(ms, most)
end
local function fill(key, ms) redis.call('SET', key, '1', 'PX', math.ceil(ms)) end
local buckets, window = arg[1], arg[2]
local account, site = KEYS[buckets + 1], KEYS[buckets + 2]
local wait, refusing = 0, 0
local function ask(i, ms) if ms > wait then wait, refusing = ms, i end end
local failure, attack, doubling = arg[buckets + 3], arg[buckets + 4], arg[buckets + 5]
local first, longest = arg[buckets + 6], arg[buckets + 7]
for i = 1, buckets do ask(i, level(KEYS[i], window) + arg[i + 2] - window) end
if site then ask(#KEYS, level(site, longest)) end
if wait > 0 then return {refusing, wait} end
for i = 1, buckets do fill(KEYS[i], level(KEYS[i], window) + arg[i + 2]) end
if not account then return {0, 0} end
local worst = math.ceil(attack + doubling * math.log(longest / first) / math.log(2))
local before = level(account, worst)
local after = math.min(before + failure, worst)
fill(account, after)
if after <= attack then return {0, 0} end
fill(site, math.min(first * 2 ^ ((after - attack) / doubling), longest))
return {0, before <= attack and 1 or 0}
`,
);

/** KEYS as above; ARGV ms that the attempt added to each counter, of which the wait is none. */
const FORGIVE_ATTEMPT = script(
  'forgive-attempt',
  `
for i = 1, #ARGV do
  local rest = redis.call('PTTL', KEYS[i]) - tonumber(ARGV[i])
  if rest > 0 then redis.call('PEXPIRE', KEYS[i], rest) else redis.call('DEL', KEYS[i]) end
end
if #KEYS > #ARGV then redis.call('DEL', KEYS[#KEYS]) end
`,
);

export interface AttemptLimits {
  /** Failures a minute of an account from one network, or with one device; 0: no limit. */
  readonly accountLimit: number;
  /** Failures and registrations a minute from one network; 0: no limit. */
  readonly addressLimit: number;
}

/** Where a client is, as far as its address says. */
export interface ClientAddress {
  /** As it stands in logs. */
  readonly address: string;
  /** What one customer of a provider has at least: an IPv4 address, or the /64 of an IPv6 one. */
  readonly network: string;
  /** What a customer may ask for: an IPv4 address, or the /48 of an IPv6 one. */
  readonly site: string;
}

export interface Attempt {
  /** It was no failure, or nobody can tell: it doesn't count. */
  forgive(): Promise<void>;
}

interface Bucket {
  readonly key: string;
  /** Attempts a minute. */
  readonly limit: number;
  /** What is told when it is full. */
  readonly refusal: 'account_limited' | 'address_limited';
}

/** What one script counts, in one slot. */
interface Counters {
  readonly buckets: readonly Bucket[];
  /** Of an account: the failures that all sites have in common, and the wait of one site with it. */
  readonly attack?: { readonly failures: string; readonly wait: string } | undefined;
}

export class Attempts {
  constructor(
    private readonly redis: RedisCommands,
    private readonly limits: AttemptLimits,
    private readonly events: SecurityEvents,
  ) {}

  /**
   * Counts a login whose password was not looked at yet.
   * @param device Id of a device that the account knows.
   * @throws Problem TOO_MANY_ATTEMPTS, STORE_UNAVAILABLE
   */
  login(name: string, from: ClientAddress, device: string | undefined): Promise<Attempt> {
    const { address, network, site } = from;
    const home = homeOf(name);
    const ofAccount = (...parts: string[]): Bucket => ({
      key: attemptsKey(home, ...parts),
      limit: this.limits.accountLimit,
      refusal: 'account_limited',
    });
    if (device !== undefined) {
      return this.#count(address, [{ buckets: [ofAccount('device', name, device)] }]);
    }
    const attack = {
      failures: attemptsKey(home, 'account', name),
      wait: attemptsKey(home, 'wait', name, site),
    };
    return this.#count(address, [
      { buckets: [this.#ofNetwork(network, site)] },
      { buckets: [ofAccount('login', name, network)], attack },
    ]);
  }

  /** @throws Problem TOO_MANY_ATTEMPTS, STORE_UNAVAILABLE */
  registration({ address, network, site }: ClientAddress): Promise<Attempt> {
    // Accounts stay, so the 65,536 networks of a /48 may not each fill Redis with them.
    const ofSite: Bucket = {
      key: attemptsKey(homeOf(site), 'registrations', site),
      limit: REGISTRATION_FACTOR * this.limits.addressLimit,
      refusal: 'address_limited',
    };
    return this.#count(address, [{ buckets: [this.#ofNetwork(network, site), ofSite] }]);
  }

  #ofNetwork(network: string, site: string): Bucket {
    const limit = this.limits.addressLimit;
    return {
      key: attemptsKey(homeOf(site), 'network', network),
      limit,
      refusal: 'address_limited',
    };
  }

  /** Counts all of them, or none where one refuses. */
  async #count(address: string, all: readonly Counters[]): Promise<Attempt> {
    const counted: Attempt[] = [];
    const forgiveAll = async () => {
      await Promise.all(counted.map((attempt) => attempt.forgive()));
    };
    for (const counters of all) {
      try {
        counted.push(await this.#countOne(address, counters));
      } catch (problem) {
        // What can't be taken back now is soon gone by itself.
        await forgiveAll().catch(() => undefined);
        throw problem;
      }
    }
    return { forgive: forgiveAll };
  }

  async #countOne(address: string, { buckets: all, attack }: Counters): Promise<Attempt> {
    const buckets = all.filter(({ limit }) => limit > 0);
    if (buckets.length === 0) return { forgive: async () => undefined };
    const keys = buckets.map(({ key }) => key);
    const shares = buckets.map(({ limit }) => Math.ceil(WINDOW_MS / limit));
    const args = [buckets.length, WINDOW_MS, ...shares];
    if (attack !== undefined) {
      keys.push(attack.failures, attack.wait);
      shares.push(FORGIVENESS_MS);
      const attackMs = ATTACK_FACTOR * this.limits.accountLimit * FORGIVENESS_MS;
      args.push(FORGIVENESS_MS, attackMs, DOUBLING * FORGIVENESS_MS, FIRST_WAIT_MS, MAX_WAIT_MS);
    }
    const answer = await reach(this.redis.run(COUNT_ATTEMPT, keys, args.map(String)));
    const [refusing, value] = answer as [number, number];
    if (refusing > 0) {
      this.events.emit(buckets[refusing - 1]?.refusal ?? 'account_limited', { address });
      throw new Problem('TOO_MANY_ATTEMPTS', undefined, Math.ceil(value / 1000));
    }
    if (value === 1) this.events.emit('account_attacked', { address });
    return {
      forgive: async () => {
        await reach(this.redis.run(FORGIVE_ATTEMPT, keys, shares.map(String)));
      },
    };
  }
}
