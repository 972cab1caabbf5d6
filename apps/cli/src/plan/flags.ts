// The flags of `plimsoll plan`, read and checked before anything is computed.

import { parseArgs } from 'node:util';
import { type Environment, PRESETS } from 'plimsoll';
import type { Costs } from './costs.js';
import { type Demand, ratesOf } from './demand.js';
import type { Holders } from './lanes.js';
import { DEFAULT_HARDWARE, type Hardware } from './scale.js';

/** What is wrong with a flag or a file that it names; the command answers it with exit code 64. */
export class PlanInputError extends Error {
  override readonly name = 'PlanInputError';
  readonly code = 'INVALID_OPTION';
}

export interface PlanOptions {
  readonly demand: Demand;
  readonly holders: Holders;
  readonly hardware: Hardware;
  readonly environment: Environment;
  /** Connections of all workers together; `undefined`: preset or formula. */
  readonly connections: number | undefined;
  /** Of the pool's callers, ms. */
  readonly acquireTimeoutMs: number;
  /** How many users the last row of the table of scales has. */
  readonly scaleTo: number;
  /** Costs that the flags name; they win over measured and default ones. */
  readonly givenCosts: Partial<Costs>;
  /** A file of costs, as `--measure --json` prints it. */
  readonly costsFile: string | undefined;
  readonly seed: number;
  readonly isSimulated: boolean;
  readonly isMeasured: boolean;
  readonly isJson: boolean;
  readonly isHelp: boolean;
}

interface NumberFlag {
  readonly fallback: number;
  readonly least: number;
  readonly most: number;
  readonly isWhole: boolean;
  readonly help: string;
}

const whole = (fallback: number, least: number, most: number, help: string): NumberFlag => ({
  fallback,
  least,
  most,
  isWhole: true,
  help,
});
const real = (fallback: number, least: number, most: number, help: string): NumberFlag => ({
  ...whole(fallback, least, most, help),
  isWhole: false,
});

const NUMBERS = {
  users: whole(PRESETS.production.users, 1, 1e10, 'users at the same time'),
  workers: whole(PRESETS.production.workers, 1, 100_000, 'processes that share the connections'),
  'requests-per-user': real(0.1, 1e-6, 1e4, 'requests a second of one user'),
  'redis-calls': real(2, 0.01, 1e4, 'Redis calls in one request'),
  'request-ms': real(
    50,
    0.001,
    600_000,
    'how long a call holds a connection that is checked out, ms',
  ),
  'acquire-timeout-ms': whole(5_000, 1, 3_600_000, 'longest wait for a connection, ms'),
  leases: whole(0, 0, 65_535, 'leases at the same time, in one worker'),
  blocking: whole(0, 0, 65_535, 'blocking commands at the same time, in one worker'),
  subscribers: whole(0, 0, 65_535, 'clients that subscribe, in one worker'),
  'lane-depth': whole(512, 1, 1e6, 'commands in flight on a lane before the next one is used'),
  'scale-to': whole(1e8, 1, 1e10, 'users in the last row of the table of scales'),
  cores: whole(DEFAULT_HARDWARE.coresPerHost, 1, 1_024, 'cores of a host'),
  'host-gib': real(DEFAULT_HARDWARE.hostBytes / 2 ** 30, 1, 65_536, 'memory of a host, GiB'),
  'shard-gib': real(DEFAULT_HARDWARE.shardBytes / 2 ** 30, 0.25, 65_536, 'memory of a shard, GiB'),
  replicas: whole(DEFAULT_HARDWARE.replicas, 0, 5, 'replicas of each shard'),
  maxclients: whole(DEFAULT_HARDWARE.maxClients, 10, 1e6, 'maxclients of each Redis server'),
  'command-bytes': whole(
    DEFAULT_HARDWARE.commandBytes,
    20,
    512 * 2 ** 20,
    'bytes of a command and its reply',
  ),
  seed: whole(1, 0, 2 ** 32 - 1, 'of the simulation'),
} satisfies Record<string, NumberFlag>;

/** Costs that no measurement here finds, as they are the application's. */
const COST_FLAGS = {
  'request-us': {
    cost: 'requestUs',
    help: 'CPU of a request in a worker, µs (default 305, docs/validation-capacity.md)',
  },
  'user-bytes': {
    cost: 'userBytes',
    help: "Redis memory of a user's data, bytes (default 1440, docs/sizing.md)",
  },
} as const;

type NumberName = keyof typeof NUMBERS;

function isOfPreset(name: string): boolean {
  return name === 'users' || name === 'workers';
}

export function usage(): string {
  const line = (flag: string, help: string) => `  ${`--${flag}`.padEnd(24)} ${help}`;
  const numbers = Object.entries(NUMBERS).map(([name, { help, fallback }]) =>
    line(`${name} N`, `${help} (default ${fallback}${isOfPreset(name) ? ', by preset' : ''})`),
  );
  const costs = Object.entries(COST_FLAGS).map(([name, { help }]) => line(`${name} N`, help));
  return [
    'Usage: plimsoll plan [flags]',
    '',
    'How many connections, workers, shards and hosts so many users need, each figure with its formula',
    'and the measured cost behind it. See docs/planning.md.',
    '',
    ...numbers,
    ...costs,
    line('environment NAME', `preset: ${Object.keys(PRESETS).join(', ')} (default production)`),
    line('connections N', 'connections of all workers, in place of preset and formula'),
    line('measure', 'takes the costs here: of REDIS_URL, or of a private redis-server'),
    line('costs FILE', 'takes the costs from what --measure --json printed'),
    line('no-simulation', "leaves out the simulation by the pool's own code"),
    line('json', 'prints JSON'),
    line('help', 'prints this'),
    '',
  ].join('\n');
}

/** Calls at the same time in one worker, beyond which nothing is planned any more. */
const MOST_AT_ONCE = 1e7;

/** @throws PlanInputError */
export function readFlags(args: readonly string[]): PlanOptions {
  const options = optionsOf(parse(args));
  const { demand } = options;
  if ((ratesOf(demand).callsPerWorker * demand.requestMs) / 1_000 <= MOST_AT_ONCE) return options;
  throw new PlanInputError(
    `That is more than ${MOST_AT_ONCE} calls at the same time in one worker; give more --workers.`,
  );
}

function optionsOf(values: ReturnType<typeof parse>): PlanOptions {
  const number = (name: NumberName) => numberOf(name, values[name], NUMBERS[name]);
  const environment = environmentOf(values.environment);
  const preset = PRESETS[environment];
  const { connections } = values;
  return {
    demand: {
      users: values.users === undefined ? preset.users : number('users'),
      workers: values.workers === undefined ? preset.workers : number('workers'),
      requestsPerUser: number('requests-per-user'),
      redisCalls: number('redis-calls'),
      requestMs: number('request-ms'),
    },
    holders: {
      leases: number('leases'),
      blocking: number('blocking'),
      subscribers: number('subscribers'),
      laneDepth: number('lane-depth'),
    },
    hardware: {
      ...DEFAULT_HARDWARE,
      coresPerHost: number('cores'),
      hostBytes: number('host-gib') * 2 ** 30,
      shardBytes: number('shard-gib') * 2 ** 30,
      replicas: number('replicas'),
      maxClients: number('maxclients'),
      commandBytes: number('command-bytes'),
    },
    environment,
    connections:
      connections === undefined
        ? undefined
        : numberOf('connections', connections, whole(160, 1, 1e7, '')),
    acquireTimeoutMs: number('acquire-timeout-ms'),
    scaleTo: number('scale-to'),
    givenCosts: givenCosts(values),
    costsFile: values.costs,
    seed: number('seed'),
    isSimulated: values['no-simulation'] !== true,
    isMeasured: values.measure === true,
    isJson: values.json === true,
    isHelp: values.help === true,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const texts = [...Object.keys(NUMBERS), ...Object.keys(COST_FLAGS)] as (
    | NumberName
    | keyof typeof COST_FLAGS
  )[];
  const textOptions = Object.fromEntries(texts.map((name) => [name, text])) as Record<
    (typeof texts)[number],
    typeof text
  >;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...textOptions,
        environment: text,
        connections: text,
        costs: text,
        measure: flag,
        'no-simulation': flag,
        json: flag,
        help: { ...flag, short: 'h' },
      },
    });
    if (values.measure && values.costs !== undefined) {
      throw new PlanInputError('--measure and --costs exclude each other.');
    }
    return values;
  } catch (error) {
    if (error instanceof PlanInputError) throw error;
    throw new PlanInputError((error as Error).message, { cause: error });
  }
}

function numberOf(name: string, given: string | undefined, flag: NumberFlag): number {
  if (given === undefined) return flag.fallback;
  const text = given.replaceAll(/[_,](?=\d{3})/g, '');
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const { least, most, isWhole } = flag;
  const isRight = value >= least && value <= most && (!isWhole || Number.isInteger(value));
  if (isRight) return value;
  const kind = isWhole ? 'a whole number' : 'a number';
  throw new PlanInputError(`--${name} must be ${kind} from ${least} to ${most}, not '${given}'.`);
}

function environmentOf(given = 'production'): Environment {
  if (Object.hasOwn(PRESETS, given)) return given as Environment;
  const known = Object.keys(PRESETS).join(', ');
  throw new PlanInputError(`--environment must be one of ${known}, not '${given}'.`);
}

function givenCosts(values: { readonly [name in keyof typeof COST_FLAGS]?: string }) {
  const costs: Partial<Record<'requestUs' | 'userBytes', number>> = {};
  for (const name of Object.keys(COST_FLAGS) as (keyof typeof COST_FLAGS)[]) {
    const given = values[name];
    if (given === undefined) continue;
    costs[COST_FLAGS[name].cost] = numberOf(name, given, real(0, 0, 1e9, ''));
  }
  return costs;
}
