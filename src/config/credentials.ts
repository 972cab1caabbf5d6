// Who connections log in as, where a provider says it: asked at every connect, or subscribed to with the
// first one, so that it may tell of newer credentials while connections live. Nothing here can be printed.

import { PoolError } from '../errors.js';
import { isObject } from './kinds.js';

/** What a connection logs in with; without a password it does not. */
export interface Credentials {
  /** Default: the user `default`. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** As node-redis has it: asked at every connect. */
export interface AsyncCredentialsProvider {
  readonly type: 'async-credentials-provider';
  credentials(): Promise<Credentials>;
}

/** As node-redis has it: tells of newer credentials, with which open connections log in anew. */
export interface StreamingCredentialsProvider {
  readonly type: 'streaming-credentials-provider';
  /** Called with the first connect, and again after `onError`. */
  subscribe(listener: {
    readonly onNext: (credentials: Credentials) => void;
    readonly onError: (error: Error) => void;
  }): Promise<[Credentials, { dispose(): void }]>;
  /** A server refused newer credentials, or there are none. */
  onReAuthenticationError(error: Error): void;
}

export type CredentialsProvider = AsyncCredentialsProvider | StreamingCredentialsProvider;

/** What became of credentials that open connections need. */
export type CredentialsTrouble = 'refused' | 'not obtained';

export interface Login extends Credentials {
  /** Counts what the provider told. */
  readonly version: number;
}

export function checkCredentialsProvider(value: unknown): string | undefined {
  const fits = isObject(value) && typeof METHOD[value.type as keyof typeof METHOD] === 'string';
  const isRight = fits && typeof value[METHOD[value.type as keyof typeof METHOD]] === 'function';
  if (isRight) return undefined;
  return 'must be a provider of the type async-credentials-provider or streaming-credentials-provider';
}

/** What each type of provider has to have. */
const METHOD = {
  'async-credentials-provider': 'credentials',
  'streaming-credentials-provider': 'subscribe',
} as const;

export class CredentialsFeed {
  /** Told of what has no caller. */
  onTrouble: (error: PoolError, trouble: CredentialsTrouble) => void = () => undefined;
  readonly #provider: CredentialsProvider;
  #subscription: Promise<void> | undefined;
  #unsubscribe: (() => void) | undefined;
  #latest: Credentials = {};
  #version = 0;
  #isStopped = false;

  constructor(provider: CredentialsProvider) {
    this.#provider = provider;
  }

  /** Grows when newer credentials are there. */
  get version(): number {
    return this.#version;
  }

  /** The latest that are known. */
  get latest(): Login {
    return { ...this.#latest, version: this.#version };
  }

  /** For a connection that is being made. @throws PoolError AUTH_FAILED: the provider has none. */
  async current(): Promise<Login> {
    const provider = this.#provider;
    try {
      if (provider.type === 'async-credentials-provider') {
        this.#latest = checked(await provider.credentials());
      } else {
        this.#subscription ??= this.#subscribe(provider);
        await this.#subscription;
      }
    } catch (cause) {
      this.#subscription = undefined;
      if (cause instanceof PoolError) throw cause;
      throw new PoolError('AUTH_FAILED', 'The credentials provider failed', { cause, sent: false });
    }
    return this.latest;
  }

  /** Tells the provider; for the pool, which has node-redis' classes. */
  tellProvider(error: Error): void {
    const provider = this.#provider;
    if (provider.type === 'streaming-credentials-provider') {
      provider.onReAuthenticationError?.(error);
    }
  }

  /** For good. */
  stop(): void {
    this.#isStopped = true;
    this.#end();
  }

  async #subscribe(provider: StreamingCredentialsProvider): Promise<void> {
    const [first, subscription] = await provider.subscribe({
      onNext: (credentials) => this.#onNext(credentials),
      onError: (cause) => this.#onError(cause),
    });
    this.#unsubscribe = () => subscription.dispose();
    if (this.#isStopped) this.#end();
    // What came meanwhile is newer.
    if (this.#version === 0) this.#latest = checked(first);
  }

  #onNext(credentials: Credentials): void {
    if (this.#isStopped) return;
    try {
      this.#latest = checked(credentials);
      this.#version++;
    } catch (error) {
      this.onTrouble(error as PoolError, 'not obtained');
    }
  }

  #onError(cause: Error): void {
    if (this.#isStopped) return;
    // The next connect subscribes anew.
    this.#subscription = undefined;
    this.#end();
    const text = 'The credentials provider has no newer credentials';
    this.onTrouble(new PoolError('AUTH_FAILED', text, { cause }), 'not obtained');
  }

  #end(): void {
    const unsubscribe = this.#unsubscribe;
    this.#unsubscribe = undefined;
    unsubscribe?.();
  }
}

function checked(credentials: unknown): Credentials {
  const { username, password } = isObject(credentials) ? credentials : ({} as Credentials);
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  const hasUser = username !== undefined && username !== '';
  const isLogin = password === undefined ? !hasUser && isObject(credentials) : isText(password);
  if (isLogin && (!hasUser || isText(username))) {
    return {
      password: password as string | undefined,
      ...(hasUser ? { username: username as string } : {}),
    };
  }
  const text = 'The credentials provider must give { username, password }, both text';
  throw new PoolError('AUTH_FAILED', text, { sent: false });
}
