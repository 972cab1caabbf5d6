// How long does an answer take, and what makes it longer?

import type { ServerFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { numberOf, round } from './numbers.js';

/** Within a zone a round trip takes 0.1 to 1 ms, between zones 1 to 2. */
const FAR_MS = 2;
const VERY_FAR_MS = 10;
const UNEVEN_MS = 10;
const VERY_UNEVEN_MS = 50;
/** As the slow log has it by default. */
const SLOW_MS = 10;
const VERY_SLOW_MS = 100;

export function judgeLatency(server: ServerFacts): Verdict[] {
  return [...judgeRoundTrip(server), ...judgeSlowLog(server), ...judgeEvents(server)];
}

function judgeRoundTrip({ roundTrip }: ServerFacts): Verdict[] {
  if (roundTrip === undefined) return [];
  const verdicts: Verdict[] = [];
  const { p50, p99, max } = roundTrip;
  if (p50 > FAR_MS) {
    verdicts.push({
      code: 'ROUND_TRIP_SLOW',
      severity: p50 > VERY_FAR_MS ? 'warning' : 'notice',
      number: round(p50),
      message: `Half of all PINGs took longer than ${round(p50)} ms: the server is far away, or busy.`,
      cure: "Put the service and the server into one zone; replicas in each zone serve reads (reads: 'nearest-zone'); ask for several things at once.",
    });
  }
  const jitter = p99 - p50;
  if (jitter > UNEVEN_MS) {
    verdicts.push({
      code: 'ROUND_TRIP_JITTER',
      severity: jitter > VERY_UNEVEN_MS ? 'warning' : 'notice',
      number: round(jitter),
      message: `One PING in a hundred took ${round(jitter)} ms longer than usual (p50 ${round(p50)}, p99 ${round(p99)}, max ${round(max)} ms).`,
      cure: 'Slow commands, saves and neighbours on the host make others wait: see the slow log, the latency events and steal in /proc/stat.',
    });
  }
  return verdicts;
}

function judgeSlowLog({ slowest, config }: ServerFacts): Verdict[] {
  const threshold = numberOf(config, 'slowlog-log-slower-than');
  if (threshold !== undefined && threshold < 0) {
    return [
      {
        code: 'SLOW_LOG_OFF',
        severity: 'notice',
        number: threshold,
        message: `The slow log is off (slowlog-log-slower-than ${threshold}).`,
        cure: 'CONFIG SET slowlog-log-slower-than 10000: it costs nothing, and tells who makes all others wait.',
      },
    ];
  }
  const [first] = slowest ?? [];
  if (first === undefined || first.ms < SLOW_MS) return [];
  const number = round(first.ms);
  return [
    {
      code: 'SLOW_COMMANDS',
      severity: first.ms >= VERY_SLOW_MS ? 'warning' : 'notice',
      number,
      message: `The slowest of the logged commands, ${first.name}, took ${number} ms, in which nobody else was answered.`,
      cure: 'KEYS, large ranges, sorts and scripts in parts (SCAN, pages), or on a replica.',
    },
  ];
}

function judgeEvents({ latencyEvents, config }: ServerFacts): Verdict[] {
  if (numberOf(config, 'latency-monitor-threshold') === 0) {
    return [
      {
        code: 'LATENCY_MONITOR_OFF',
        severity: 'notice',
        number: 0,
        message: 'latency-monitor-threshold is 0: the server keeps no latency events.',
        cure: 'CONFIG SET latency-monitor-threshold 100; then forks, saves and slow commands leave a trace.',
      },
    ];
  }
  return (latencyEvents ?? []).map(({ event, maxMs, lastMs }) => ({
    code: 'LATENCY_EVENT',
    severity: maxMs >= VERY_SLOW_MS ? 'warning' : 'notice',
    number: maxMs,
    message: `Latency event ${event}: ${maxMs} ms at most, ${lastMs} ms the last time.`,
    cure: `LATENCY HISTORY ${event} and LATENCY DOCTOR say when and why; LATENCY RESET forgets them.`,
  }));
}
