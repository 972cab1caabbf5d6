// All workers' reports as one picture of the service. Pure.

import { utilizationLevel, utilizationPercent } from '../../policy/recommendations.js';
import type { EndpointStatus, PoolState } from '../../pool/snapshot.js';
import type { EndpointView, Frame, WorkerReport, WorkerView } from './messages.js';
import type { RecentFigures } from './recent-work.js';

/** The first of these that a worker is in is the service's. */
const WORST_FIRST: readonly PoolState[] = [
  'down',
  'suspended',
  'degraded',
  'closing',
  'ready',
  'closed',
];
const WORST_ENDPOINT_FIRST: readonly EndpointStatus['state'][] = ['down', 'ready', 'empty'];

export interface ReportingWorker {
  readonly worker: string;
  readonly report: WorkerReport;
  readonly isSilent: boolean;
  readonly commandsPerS: number;
}

export function frameOf(
  workers: readonly ReportingWorker[],
  recent: RecentFigures,
): Omit<Frame, 'advice'> {
  const reports = workers.map(({ report }) => report);
  const newest = reports.at(-1);
  const sum = (amountOf: (report: WorkerReport) => number) => sumOf(reports, amountOf);
  const connections = {
    open: sum((report) => report.connections.open),
    inUse: sum((report) => report.connections.inUse),
    leased: sum((report) => report.connections.leased),
    lanes: sum((report) => report.connections.lanes),
    connecting: sum((report) => report.connections.connecting),
    max: sum((report) => report.connections.max),
  };
  const percent = utilizationPercent(connections.inUse, connections.max);
  return {
    atMs: Date.now(),
    pool: newest?.pool ?? '',
    address: newest?.address ?? '',
    state:
      worst(
        WORST_FIRST,
        reports.map(({ state }) => state),
      ) ?? 'closed',
    utilizationPercent: percent,
    level: utilizationLevel(percent),
    connections,
    inFlight: sum((report) => report.inFlight),
    waiting: sum((report) => report.waiting),
    oldestWaitMs: Math.max(0, ...reports.map(({ oldestWaitMs }) => oldestWaitMs)),
    ...recent,
    workers: workers.map(workerView),
    endpoints: endpointViews(reports),
    failover: newest?.failover,
  };
}

function workerView({ worker, report, isSilent, commandsPerS }: ReportingWorker): WorkerView {
  const { pid, state, connections, inFlight, waiting, loopPercent } = report;
  const { inUse, open, max } = connections;
  return {
    ...{ worker, pid, state, isSilent, inUse, open, max, inFlight, waiting, loopPercent },
    commandsPerS,
    utilizationPercent: utilizationPercent(inUse, max),
    pictured: report.pictured,
    unpictured: report.unpictured,
  };
}

/** A server by its address; its role and slots are those of whoever reported last. */
function endpointViews(reports: readonly WorkerReport[]): EndpointView[] {
  const byAddress = new Map<string, EndpointStatus[]>();
  for (const endpoint of reports.flatMap(({ endpoints }) => endpoints)) {
    byAddress.set(endpoint.address, [...(byAddress.get(endpoint.address) ?? []), endpoint]);
  }
  return [...byAddress.values()].map((parts) => {
    const { address, role, zone, slots } = parts.at(-1)!;
    return {
      ...{ address, role, zone, slots },
      state:
        worst(
          WORST_ENDPOINT_FIRST,
          parts.map(({ state }) => state),
        ) ?? 'empty',
      open: sumOf(parts, ({ open }) => open),
      inUse: sumOf(parts, ({ inUse }) => inUse),
      inFlight: sumOf(parts, ({ inFlight }) => inFlight),
      waiting: sumOf(parts, ({ waiting }) => waiting),
    };
  });
}

function worst<State>(order: readonly State[], states: readonly State[]): State | undefined {
  return order.find((state) => states.includes(state));
}

function sumOf<Item>(items: readonly Item[], amountOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + amountOf(item), 0);
}
