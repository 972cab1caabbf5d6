// The doctor's report: for people as text, for programs as JSON. Figures first, whatever they are; then
// what is to be done, the most severe first.

import { styleText } from 'node:util';
import type { Facts, ServerFacts } from './facts.js';
import { exitCodeOf, type Finding, highestSeverity, SEVERITIES } from './finding.js';
import { DOCTOR_NAME, holdersOf } from './judge/connections.js';
import { memoryOf } from './judge/memory.js';
import { bytesText, counted, keysOf, numberOf, replicasOf, round } from './judge/numbers.js';
import { versionOf } from './judge/version.js';

const NAME_WIDTH = 16;
const HEAVIEST_HOLDERS = 5;

export interface Report {
  readonly findings: readonly Finding[];
  /** `undefined`: the environment was refused, and nothing was asked. */
  readonly facts: Facts | undefined;
}

export function jsonReport({ findings, facts }: Report): string {
  const report = {
    severity: highestSeverity(findings) ?? 'ok',
    exitCode: exitCodeOf(findings),
    findings,
    servers: (facts?.servers ?? []).map((server) => ({
      address: server.address,
      figures: Object.fromEntries(figuresOf(server, facts!)),
      roundTripMs: server.roundTrip,
      slowest: server.slowest,
      latencyEvents: server.latencyEvents,
    })),
    host: facts?.host,
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** @param isColored Colours for a terminal. */
export function textReport({ findings, facts }: Report, isColored: boolean): string {
  const lines = [
    ...(facts?.servers ?? []).flatMap((server) => serverLines(server, facts!)),
    ...(facts === undefined ? [] : hostLines(facts)),
    ...findings.flatMap((finding) => findingLines(finding, isColored)),
    summary(findings),
  ];
  return `${lines.join('\n')}\n`;
}

function serverLines(server: ServerFacts, facts: Facts): string[] {
  const figures = figuresOf(server, facts).map(([name, text]) => figureLine(name, text));
  const slowest = (server.slowest ?? []).map(({ name, ms, atSeconds, argumentCount, client }) => {
    const at = new Date(atSeconds * 1000).toISOString().slice(0, 19);
    return `    ${String(round(ms)).padStart(8)} ms  ${name} (${counted(argumentCount, 'argument')}), ${at}Z, ${client}`;
  });
  const heading = slowest.length === 0 ? [] : ['  slowest commands'];
  return [server.address, ...figures, ...heading, ...slowest, ''];
}

function figureLine(name: string, text: string): string {
  return `  ${name.padEnd(NAME_WIDTH)} ${text}`;
}

function hostLines({ host, pool }: Facts): string[] {
  const { workers, maxConnections } = pool;
  return [
    'this host and its pool',
    figureLine('open files', String(host.openFilesLimit ?? 'unknown')),
    figureLine('local ports', String(host.ports ?? 'unknown')),
    figureLine(
      'budget',
      `${workers} x ${maxConnections} = ${workers * maxConnections} connections`,
    ),
    '',
  ];
}

/** What was measured, in the order of a round; what is unknown is left out. */
export function figuresOf(server: ServerFacts, { pool }: Facts): [string, string][] {
  const { info, config, roundTrip, tls, latencyEvents, clients } = server;
  const version = versionOf(server);
  const holders = holdersOf(server, pool);
  const memory = memoryOf(server);
  const keys = keysOf(info);
  const figures: [string, string | undefined][] = [
    [
      'version',
      version && `${version.product} ${version.text}, ${info?.redis_mode ?? 'standalone'}`,
    ],
    ['role', info?.role && roleText(server)],
    [
      'round trip',
      roundTrip &&
        `p50 ${round(roundTrip.p50)} ms, p99 ${round(roundTrip.p99)}, jitter ` +
          `${round(roundTrip.p99 - roundTrip.p50)}, max ${round(roundTrip.max)} (${roundTrip.count} PINGs)`,
    ],
    [
      'connections',
      holders &&
        `${holders.own} ours, ${holders.others} of others, budget ${holders.budget}, maxclients ${holders.maxClients}`,
    ],
    ['held by', clients && heldBy(server)],
    [
      'memory',
      memory &&
        `${bytesText(memory.used)} of ${memory.maximum === 0 ? 'no maximum' : bytesText(memory.maximum)}, ${memory.policy}`,
    ],
    ['keys', info && `${keys.total}, ${keys.expiring} of them expire`],
    ['persistence', persistenceText(server)],
    [
      'timeout',
      config?.timeout && `${config.timeout} s, tcp-keepalive ${config['tcp-keepalive']} s`,
    ],
    ['output buffers', config?.['client-output-buffer-limit']],
    [
      'latency events',
      latencyEvents &&
        (latencyEvents.map(({ event, maxMs }) => `${event} ${maxMs} ms`).join(', ') || 'none'),
    ],
    ['TLS', tls ? `${tls.protocol}, ${counted(tls.certificates.length, 'certificate')}` : 'none'],
    ['cluster', server.cluster && clusterText(server)],
  ];
  return figures.filter((figure): figure is [string, string] => Boolean(figure[1]));
}

function roleText({ info }: ServerFacts): string {
  if (info?.role === 'slave') {
    return `replica of ${info.master_host}:${info.master_port}, link ${info.master_link_status}`;
  }
  const lags = replicasOf(info).map(
    ({ state, lagSeconds, bytesBehind }) =>
      `${state}, ${lagSeconds} s and ${bytesText(bytesBehind)} behind`,
  );
  return `primary, ${counted(lags.length, 'replica')}${lags.length === 0 ? '' : ` (${lags.join('; ')})`}`;
}

/** Those who hold most, by name. */
function heldBy({ clients = [] }: ServerFacts): string {
  const counts = new Map<string, number>();
  for (const { name, library, address } of clients) {
    if (name === DOCTOR_NAME) continue;
    const holder = name || library || address.replace(/:\d+$/, '');
    counts.set(holder, (counts.get(holder) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, one], [, other]) => other - one);
  const shown = sorted.slice(0, HEAVIEST_HOLDERS).map(([name, count]) => `${name} ${count}`);
  const rest = sorted.length - shown.length;
  return shown.join(', ') + (rest > 0 ? `, and ${counted(rest, 'other')}` : '');
}

function persistenceText({ info, config }: ServerFacts): string | undefined {
  if (info?.aof_enabled === undefined) return undefined;
  const saves = config === undefined ? 'unknown' : config.save || 'off';
  const changes = numberOf(info, 'rdb_changes_since_last_save') ?? 0;
  const aof = info.aof_enabled === '1' ? `appendfsync ${config?.appendfsync ?? 'unknown'}` : 'off';
  return `save ${saves} (${counted(changes, 'change')} since), append-only file ${aof}`;
}

function clusterText({ cluster }: ServerFacts): string {
  const { info, nodes } = cluster!;
  const primaries = nodes.filter(({ flags }) => flags.includes('master')).length;
  return `state ${info.cluster_state}, ${info.cluster_slots_ok} of 16384 slots served, ${primaries} primaries, ${nodes.length - primaries} replicas`;
}

const STYLES = { critical: 'red', warning: 'yellow', notice: 'cyan' } as const;

function findingLines(finding: Finding, isColored: boolean): string[] {
  const { severity, code, where, message, cure } = finding;
  const label = severity.toUpperCase().padEnd(8);
  // The caller knows what it writes to; styleText would ask the environment.
  const shown = isColored ? styleText(STYLES[severity], label, { validateStream: false }) : label;
  return [`${shown} ${code}  ${where}`, `  ${message}`, `  Cure: ${cure}`, ''];
}

function summary(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'Nothing found.';
  const counts = SEVERITIES.map((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return `${count} ${severity}`;
  });
  return `${counted(findings.length, 'finding')}: ${counts.join(', ')}. docs/doctor.md explains each code.`;
}
