// The line to the tester. It comes back by itself after an interruption, and says when what is shown
// is old: because the line broke, or because nothing came for longer than the tester is ever silent.
//
//   connecting --state--> live --nothing heard, or an error--> stale --state--> live
//                           '--end--> ended (the tester said so), and on trying

import type { SecondMessage, StateMessage } from '../messages.js';

const SILENCE_MS = 5000;
const CHECK_MS = 500;
const RETRY_MS = [500, 1000, 2000, 4000];

export interface StreamEvents {
  onState(state: StateMessage): void;
  onSecond(second: SecondMessage): void;
  /** What is shown is as of `heardMs` (Unix time; undefined when nothing came ever). */
  onStale(heardMs: number | undefined, hasEnded: boolean): void;
}

export class Stream {
  #source: EventSource | undefined;
  #heardMs: number | undefined;
  /** On the monotonic clock. */
  #aliveMs = performance.now();
  #failures = 0;
  #hasEnded = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly events: StreamEvents) {}

  start(): void {
    this.#connect();
    setInterval(() => this.#check(), CHECK_MS);
    // A page that comes back from the browser's memory, or a phone that wakes, doesn't wait.
    addEventListener('pageshow', (event) => event.persisted && this.reconnect());
    addEventListener('online', () => this.reconnect());
  }

  /** Asks for everything anew. */
  reconnect(): void {
    clearTimeout(this.#retry);
    this.#connect();
  }

  #connect(): void {
    this.#source?.close();
    this.#aliveMs = performance.now();
    const source = new EventSource('/api/events');
    this.#source = source;
    this.#on<StateMessage>(source, 'state', (state) => this.events.onState(state));
    this.#on<SecondMessage>(source, 'second', (second) => this.events.onSecond(second));
    this.#on(source, 'beat', () => {});
    source.addEventListener('end', () => {
      this.#hasEnded = true;
      this.#lose();
    });
    source.addEventListener('error', () => this.#lose());
  }

  #on<T>(source: EventSource, type: string, act: (data: T) => void): void {
    source.addEventListener(type, (event) => {
      this.#heardMs = Date.now();
      this.#aliveMs = performance.now();
      this.#failures = 0;
      this.#hasEnded = false;
      act(JSON.parse(event.data) as T);
    });
  }

  #check(): void {
    if (this.#source !== undefined && performance.now() - this.#aliveMs > SILENCE_MS) this.#lose();
  }

  #lose(): void {
    this.#source?.close();
    this.#source = undefined;
    this.events.onStale(this.#heardMs, this.#hasEnded);
    const waitMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]!;
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#comeBack(), waitMs);
  }

  /** An event source doesn't tell why it was refused, so that is asked first. */
  async #comeBack(): Promise<void> {
    const answer = await fetch('/', { redirect: 'manual', signal: AbortSignal.timeout(SILENCE_MS) })
      .then((response) => (response.type === 'opaqueredirect' ? 'token' : 'there'))
      .catch(() => 'gone');
    if (answer === 'token') location.reload();
    else if (answer === 'gone') this.#lose();
    else this.#connect();
  }
}
