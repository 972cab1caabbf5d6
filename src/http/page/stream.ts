// The line to the server. It comes back by itself after an interruption, and says when what is shown
// is old: because the line broke, or because nothing came for longer than the server is ever silent.
//
//   connecting --first event--> live --nothing heard, or an error--> stale --an event--> live
//                                 '--end--> ended (the server said so), and on trying

const CHECK_MS = 500;
const RETRY_MS = [500, 1000, 2000, 4000];

export interface StreamTerms {
  /** Of the events. */
  readonly url: string;
  /** Answers otherwise than with success where the reader isn't known any more. */
  readonly pageUrl: string;
  /** So long without anything, and what is shown is old, ms. */
  readonly silenceMs: number;
  /** What is done with the data of an event, by its name. */
  // biome-ignore lint/suspicious/noExplicitAny: each listener knows its data.
  readonly listeners: Readonly<Record<string, (data: any) => void>>;
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

  constructor(private readonly terms: StreamTerms) {}

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
    const source = new EventSource(this.terms.url);
    this.#source = source;
    const { listeners } = this.terms;
    for (const [name, act] of Object.entries(listeners)) this.#on(source, name, act);
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
    const isSilent = performance.now() - this.#aliveMs > this.terms.silenceMs;
    if (this.#source !== undefined && isSilent) this.#lose();
  }

  #lose(): void {
    this.#source?.close();
    this.#source = undefined;
    this.terms.onStale(this.#heardMs, this.#hasEnded);
    const waitMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]!;
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#comeBack(), waitMs);
  }

  /** An event source doesn't tell why it was refused, so that is asked first. */
  async #comeBack(): Promise<void> {
    const { pageUrl, silenceMs } = this.terms;
    const signal = AbortSignal.timeout(silenceMs);
    const answer = await fetch(pageUrl, { redirect: 'manual', signal }).then(
      ({ ok, type, status }) => {
        if (type === 'opaqueredirect' || status === 401 || status === 403) return 'unknown reader';
        return ok ? 'there' : 'gone';
      },
      () => 'gone',
    );
    if (answer === 'unknown reader') location.reload();
    else if (answer === 'gone') this.#lose();
    else this.#connect();
  }
}
