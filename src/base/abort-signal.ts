// Many commands may hang on one AbortSignal, e.g. all those of a request. They share one listener:
// an AbortSignal looks through its whole list at each addition, and warns of a leak beyond ten.

const audiences = new WeakMap<AbortSignal, Audience>();

/** Calls back when the signal aborts. @returns What takes the callback off the signal. */
export function onceAborted(signal: AbortSignal, callback: () => void): () => void {
  let audience = audiences.get(signal);
  if (audience === undefined) {
    audience = new Audience(signal);
    audiences.set(signal, audience);
  }
  return audience.join(callback);
}

class Audience {
  readonly #signal: AbortSignal;
  readonly #callbacks = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  join(callback: () => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#leave(callback);
  }

  /** The last who leaves takes the listener along: a signal may live as long as the process. */
  #leave(callback: () => void): void {
    if (!this.#callbacks.delete(callback) || this.#callbacks.size > 0) return;
    this.#signal.removeEventListener('abort', this.#onAbort);
    audiences.delete(this.#signal);
  }

  // Callbacks leave while they are called, which a Set allows.
  readonly #onAbort = (): void => {
    for (const callback of this.#callbacks) callback();
  };
}
