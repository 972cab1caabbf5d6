// Server-sent events to all open pages. A page that doesn't read is let go, and comes back by itself;
// something is sent each second, so that a page can tell a quiet service from one that is gone.

import type { ServerResponse } from 'node:http';

/** How often something is heard at least, ms. */
const BEAT_MS = 1000;
const MAX_STREAMS = 64;
/** What a page may be behind. */
const MAX_UNREAD_BYTES = 16 * 2 ** 20;
/** How long a browser waits before it comes back, where the page doesn't decide it. */
const RETRY_MS = 1000;
const DECIMALS = 3;

export class EventStreams {
  readonly #streams = new Set<ServerResponse>();
  readonly #onEmpty: () => void;
  #timer: NodeJS.Timeout | undefined;
  #wasSent = false;

  /** @param onEmpty Called when the last page has gone. */
  constructor(onEmpty: () => void = () => {}) {
    this.#onEmpty = onEmpty;
  }

  get isFull(): boolean {
    return this.#streams.size >= MAX_STREAMS;
  }

  /** Takes over a response whose headers are set. */
  open(response: ServerResponse): void {
    response.setHeader('content-type', 'text/event-stream; charset=utf-8');
    response.writeHead(200);
    response.write(`retry: ${RETRY_MS}\n\n`);
    this.#streams.add(response);
    response.on('close', () => this.#drop(response));
    this.#timer ??= setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  /** To all pages; `data` is only asked for where somebody listens. */
  send(event: string, data: () => unknown): void {
    if (this.#streams.size === 0) return;
    this.#wasSent = true;
    const text = eventText(event, data());
    for (const stream of this.#streams) {
      if (stream.writableLength > MAX_UNREAD_BYTES) stream.destroy();
      else stream.write(text);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stream of this.#streams) stream.end(eventText('end', {}));
  }

  #drop(response: ServerResponse): void {
    if (this.#streams.delete(response) && this.#streams.size === 0) this.#onEmpty();
  }

  #beat(): void {
    if (!this.#wasSent) this.send('beat', () => ({}));
    this.#wasSent = false;
  }
}

function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data, shortened)}\n\n`;
}

/** A page shows no more digits, and they would be most of the bytes. */
function shortened(_key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  return Number(value.toFixed(DECIMALS));
}
