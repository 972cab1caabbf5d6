// The plan as text: each figure with the formula and the cost that it comes from.

import { FEW_WAITS } from './checkout.js';
import type { Plan } from './plan.js';
import { CLIENTS_LIMIT, type Hardware, type ScaleRow } from './scale.js';

type Line = readonly [what: string, figure: string, how: string];

export function reportText(plan: Plan, hardware: Hardware): string {
  return [
    section('Load', loadLines(plan)),
    section('Checkout pool: preset, formula and capacity (docs/sizing.md)', checkoutLines(plan)),
    section('Who waits in it, in one worker (Erlang C)', queueLines(plan)),
    section("The same by the pool's own code on simulated time", simulationLines(plan)),
    section('Pipelined lanes, in one worker', laneLines(plan)),
    section('Redis', redisLines(plan)),
    scaleText(plan.scale, hardware),
    section('Costs', costLines(plan)),
  ].join('\n\n');
}

function loadLines({ demand, rates }: Plan): Line[] {
  return [
    ['requests/s', round(rates.requestsPerSecond), 'users x requests-per-user'],
    ['Redis calls/s', round(rates.callsPerSecond), 'requests/s x redis-calls'],
    ['of each worker', round(rates.callsPerWorker), `calls/s / ${demand.workers} workers`],
  ];
}

function checkoutLines({ demand, checkout }: Plan): Line[] {
  const { preset, formula, capacity, connectionsPerWorker } = checkout;
  return [
    [
      'preset',
      `${preset.connections} connections`,
      `${preset.workers} workers x ${preset.connectionsPerWorker}, for ${round(preset.users)} users`,
    ],
    [
      'formula',
      `${formula.total} connections`,
      `${demand.workers} workers x (15 base + 25 for high concurrency)`,
    ],
    [
      'taken',
      `${connectionsPerWorker} a worker`,
      '--connections, else the preset of so many workers, else the formula',
    ],
    [
      'one connection',
      `${round(capacity.perConnection)} requests/s`,
      '1000 / (request-ms x redis-calls)',
    ],
    ['all workers', `${round(capacity.total)} requests/s`, 'connections x that'],
    ['margin', percent(capacity.safetyMargin), '(capacity - requests/s) / requests/s'],
    ['users a connection', round(capacity.usersPerConnection), 'users / connections'],
  ];
}

function queueLines({ checkout }: Plan): Line[] {
  const { queue, timeoutProbability, connectionsForFewWaits } = checkout;
  const lines: Line[] = [
    ['connections in use', round(queue.offered), 'a = calls/s x request-ms / 1000'],
    [
      'utilisation',
      percent(queue.utilization),
      'a / c; above 60 % a warning, above 80 % the alert',
    ],
    [
      'finds the pool exhausted',
      percent(queue.waitProbability),
      'C = B / (1 - a/c (1 - B)), B = Erlang B',
    ],
  ];
  if (queue.growthPerSecond > 0 || queue.utilization >= 1) {
    lines.push([
      'the queue grows by',
      `${round(queue.growthPerSecond)} calls/s`,
      '(a - c) x 1000 / request-ms: too few connections',
    ]);
  } else {
    lines.push(
      ['waits, on average', ms(queue.meanWaitMs), 'C x request-ms / (c - a)'],
      ['who waits, waits', ms(queue.meanWaitOfWaitersMs), 'request-ms / (c - a)'],
      [
        'wait, p99',
        ms(queue.p99WaitMs),
        'ln(C / 0.01) x request-ms / (c - a), 0 where C is below 1 %',
      ],
      [
        'ACQUIRE_TIMEOUT',
        percent(timeoutProbability),
        'C x e^(-acquire-timeout / (request-ms / (c - a)))',
      ],
    );
  }
  lines.push([
    `for C below ${percent(FEW_WAITS)}`,
    `${connectionsForFewWaits} connections`,
    'the least c',
  ]);
  return lines;
}

function simulationLines({ simulation }: Plan): Line[] {
  if ('leftOut' in simulation) return [['left out', '', simulation.leftOut]];
  const { calls, utilization, waitProbability, meanWaitMs, p99WaitMs, refused } = simulation;
  return [
    ['calls', round(calls), 'a lease each, by Poisson arrivals, held for an exponential time'],
    ['utilisation', percent(utilization), ''],
    ['find the pool exhausted', percent(waitProbability), ''],
    ['wait, on average', ms(meanWaitMs), ''],
    ['wait, p99', ms(p99WaitMs), ''],
    ['refused', round(refused), 'ACQUIRE_TIMEOUT or QUEUE_FULL'],
  ];
}

function laneLines({ lanes, costs }: Plan): Line[] {
  return [
    ['commands a batch', round(lanes.commandsPerBatch), 'k = m + e^-m, m = calls/s x turn'],
    [
      'CPU of a command',
      `${round(lanes.commandUs)} µs`,
      `${round(costs.clientCommandUs)} + ${round(costs.clientBatchUs)} / k`,
    ],
    ['CPU for Redis calls', percent(lanes.clientCpu), 'calls/s x that, of one core'],
    [
      'CPU of the worker',
      percent(lanes.workerCpu),
      `and requests/s x ${round(costs.requestUs)} µs; below 60 % it answers quickly`,
    ],
    ['in flight', round(lanes.inFlight), 'calls/s x (round trip + turn)'],
    ['lanes', round(lanes.lanes), 'sqrt(in flight / lane-depth), at least 1'],
    [
      'connections',
      round(lanes.connectionsPerWorker),
      '(lanes + leases + blocking + subscribers) x 1.5',
    ],
  ];
}

function redisLines({ redis, costs }: Plan): Line[] {
  return [
    [
      'CPU of a command',
      `${round(redis.commandUs)} µs`,
      `${round(costs.redisCommandUs)} + ${round(costs.redisBatchUs)} / k`,
    ],
    ['CPU', percent(redis.cpu), 'calls/s x that, of its one core'],
    ['most calls/s', round(redis.mostCommandsPerSecond), 'one core / CPU of a command'],
    ['data', bytes(redis.dataBytes), `users x ${round(costs.userBytes)} B`],
    [
      'connections',
      bytes(redis.connectionBytes),
      `connections x ${round(costs.redisConnectionBytes)} B`,
    ],
    ['memory', bytes(redis.totalBytes), 'data + connections + the server itself'],
    ['while it forks', bytes(redis.forkedBytes), 'at worst the data twice (RDB, AOF rewrite)'],
  ];
}

function scaleText(rows: readonly ScaleRow[], hardware: Hardware): string {
  const head = [
    'users',
    'requests/s',
    'calls/s',
    'cells',
    'workers',
    'shards',
    'conns/worker',
    'conns/shard',
    'connections',
    'worker memory',
    'Redis memory',
    'hosts',
    'network',
  ];
  const cells = rows.map((row) => [
    round(row.users),
    round(row.requestsPerSecond),
    round(row.callsPerSecond),
    round(row.cells),
    round(row.workers),
    row.redisServers === row.shards
      ? round(row.shards)
      : `${round(row.shards)} (${round(row.redisServers)})`,
    round(row.connectionsPerWorker),
    round(row.connectionsPerShard),
    round(row.connections),
    bytes(row.workerBytes),
    bytes(row.redisBytes),
    `${round(row.workerHosts)} + ${round(row.redisHosts)}`,
    `${bytes(row.networkBitsPerSecond / 8)}/s`,
  ]);
  const { coresPerHost, hostBytes, shardBytes, workerLimit, redisLimit, maxClients } = hardware;
  return [
    'Up to the internet',
    columns([head, ...cells], () => true),
    '',
    `  workers      calls/s x (request-us / redis-calls + CPU of a command) / ${percent(workerLimit)} of a core`,
    `  shards       the greater of calls/s x CPU of a Redis command / ${percent(redisLimit)} of a core, and`,
    `               users x user-bytes x 2 (fork) / (${bytes(shardBytes)} - connections); with replicas in brackets`,
    '  connections  each worker one lane to each shard of its cell; k is of the commands of one shard',
    `  cells        connections of a shard below ${percent(CLIENTS_LIMIT)} of maxclients ${round(maxClients)}: a deployment doubles them`,
    `  hosts        workers + Redis; ${coresPerHost} cores, one for the kernel, ${bytes(hostBytes)}; the greater of cores and memory`,
    '  memory       workers x (one without connections + its connections); users x user-bytes x 2 (fork) of each',
    '               primary and replica + connections',
    `  network      calls/s x ${round(hardware.commandBytes)} B, between workers and Redis`,
  ].join('\n');
}

function costLines({ costs }: Plan): Line[] {
  return [
    ['worker, a command', `${round(costs.clientCommandUs)} µs`, costs.source],
    ['worker, a batch', `${round(costs.clientBatchUs)} µs`, ''],
    [
      'worker, a request',
      `${round(costs.requestUs)} µs`,
      '--request-us, or docs/validation-capacity.md',
    ],
    ['worker, a connection', bytes(costs.workerConnectionBytes), ''],
    ['worker, without any', bytes(costs.workerBaseBytes), ''],
    ['Redis, a command', `${round(costs.redisCommandUs)} µs`, ''],
    ['Redis, a batch', `${round(costs.redisBatchUs)} µs`, ''],
    ['Redis, a connection', bytes(costs.redisConnectionBytes), ''],
    ['Redis, a user', bytes(costs.userBytes), '--user-bytes, or docs/sizing.md'],
    ['round trip', ms(costs.roundTripMs), ''],
  ];
}

function section(title: string, lines: readonly Line[]): string {
  return `${title}\n${columns(lines, (index) => index === 1)}`;
}

function columns(
  rows: readonly (readonly string[])[],
  isNumber: (column: number) => boolean,
): string {
  const widths = rows[0]!.map((_, index) => Math.max(...rows.map((row) => row[index]!.length)));
  const cell = (text: string, index: number) =>
    isNumber(index) ? text.padStart(widths[index]!) : text.padEnd(widths[index]!);
  return rows.map((row) => `  ${row.map(cell).join('  ').trimEnd()}`).join('\n');
}

/** Whole above 100, else with the digits that matter. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return 'without end';
  if (Math.abs(value) >= 100 || Number.isInteger(value))
    return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

export function percent(share: number): string {
  const value = share * 100;
  if (value !== 0 && Math.abs(value) < 0.001) return '< 0.001 %';
  return `${Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))} %`;
}

function ms(value: number): string {
  if (value > 0 && value < 0.001) return '< 0.001 ms';
  return `${round(value)} ms`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(value: number): string {
  const power = Math.min(
    UNITS.length - 1,
    Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)),
  );
  return `${round(value / 1_024 ** power)} ${UNITS[power]}`;
}
