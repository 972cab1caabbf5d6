// Limits of this host, from /proc; elsewhere they stay unknown.

import { readFile } from 'node:fs/promises';
import type { HostFacts } from './facts.js';

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}

export async function gatherHost(): Promise<HostFacts> {
  // Node raises the soft limit to the hard one at its start, in a service as here.
  const limits = await readText('/proc/self/limits');
  const range = await readText('/proc/sys/net/ipv4/ip_local_port_range');
  const [first, last] = range?.trim().split(/\s+/).map(Number) ?? [];
  const openFiles = Number(/^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1]);
  return {
    openFilesLimit: Number.isFinite(openFiles) ? openFiles : undefined,
    ports: first !== undefined && last !== undefined ? last - first + 1 : undefined,
  };
}

/** Sockets of this host, of all processes and in all states, whose other end is at that port. */
export async function socketsTo(port: number): Promise<number | undefined> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readText));
  if (tables.every((table) => table === undefined)) return undefined;
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = tables.flatMap((table) => table?.split('\n').slice(1) ?? []);
  return lines.filter((line) => line.trim().split(/\s+/)[2]?.endsWith(suffix)).length;
}
