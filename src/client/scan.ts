// The SCAN family as async iterators: a page of the reply at a time, until the cursor is 0 again.
// Pages may repeat or miss elements that change meanwhile, as Redis documents it.

import type { RedisArgument } from '../wire/protocol.js';

export interface IteratorOptions {
  /** Where to begin. Default `0`. */
  cursor?: RedisArgument;
  MATCH?: RedisArgument;
  COUNT?: number;
  /** SCAN only: the type of the keys. */
  TYPE?: RedisArgument;
}

interface Page {
  readonly cursor: RedisArgument;
}

type Scanner = Record<string, (...args: unknown[]) => Promise<Page>>;

export function scanIterator(client: object, options?: IteratorOptions) {
  return pages(options, (cursor) => (client as Scanner).scan!(cursor, options), 'keys');
}

export function hScanIterator(client: object, key: RedisArgument, options?: IteratorOptions) {
  return pages(options, (cursor) => (client as Scanner).hScan!(key, cursor, options), 'entries');
}

export async function* hScanValuesIterator(
  client: object,
  key: RedisArgument,
  options?: IteratorOptions,
) {
  for await (const entries of hScanIterator(client, key, options)) {
    yield (entries as { value: RedisArgument }[]).map(({ value }) => value);
  }
}

export function hScanNoValuesIterator(
  client: object,
  key: RedisArgument,
  options?: IteratorOptions,
) {
  const fetch = (cursor: RedisArgument) => (client as Scanner).hScanNoValues!(key, cursor, options);
  return pages(options, fetch, 'fields');
}

export function sScanIterator(client: object, key: RedisArgument, options?: IteratorOptions) {
  return pages(options, (cursor) => (client as Scanner).sScan!(key, cursor, options), 'members');
}

export function zScanIterator(client: object, key: RedisArgument, options?: IteratorOptions) {
  return pages(options, (cursor) => (client as Scanner).zScan!(key, cursor, options), 'members');
}

async function* pages(
  options: IteratorOptions | undefined,
  fetch: (cursor: RedisArgument) => Promise<Page>,
  part: string,
): AsyncGenerator<unknown[], void> {
  let cursor = options?.cursor ?? '0';
  do {
    const page = await fetch(cursor);
    cursor = page.cursor;
    yield page[part as keyof Page] as unknown as unknown[];
    // With a type mapping the cursor may be a Buffer.
  } while (cursor.toString() !== '0');
}
