// Stands between the load tester and the service's metrics and keeps what passes. One reader alone,
// because a worker tells the lag of its event loop since it was last asked: a second reader would
// take half of it away.
//
//   load tester --GET--> tap --scrape()--> service
//                         `--> samples

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readScrape, type Scrape } from './scrape.js';

export interface MetricsSample extends Scrape {
  /** Of `performance.now()`. */
  readonly atMs: number;
}

export interface MetricsTap {
  /** What the load tester is given in place of the service's metrics. */
  readonly url: string;
  readonly samples: readonly MetricsSample[];
  close(): Promise<void>;
}

/** @param readPage The service's page of metrics. */
export async function openMetricsTap(readPage: () => Promise<string>): Promise<MetricsTap> {
  const samples: MetricsSample[] = [];
  const server = createServer(async (_request, response) => {
    try {
      const page = await readPage();
      samples.push({ atMs: performance.now(), ...readScrape(page) });
      response.end(page);
    } catch {
      // The load tester counts and tells readings that failed.
      response.writeHead(502).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/metrics`,
    samples,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
