// Who may use the page. Three dangers, and what is against each:
//
//   another machine           off loopback a token is needed, on loopback it may be
//   another site, by forms    a request that changes something comes from this very page (Origin)
//   another site, by DNS      without a token the Host header names this machine (a name of theirs
//   rebinding                 that leads here is another host; with a token they lack the cookie)

import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { LoadError } from '../errors.js';
import { cookiesOf, digestOf, hostOf, isForeignFetch, isLoopback, isSecret } from './visitor.js';

export interface WebOptions {
  /** An address or name to listen at; `*` for all. Default 127.0.0.1. */
  readonly host: string;
  /** 0 for any. Default 8089. */
  readonly port: number;
  readonly token: string | undefined;
}

export const MIN_TOKEN_CHARACTERS = 16;
const MAX_PORT = 65_535;
/** For headers and cookies, and without anything that a shell or a form would change. */
const TOKEN = /^[\x21-\x7e]+$/;

/** Throws `INVALID_OPTION`; never says the token. */
export function checkWebOptions({ host, port, token }: WebOptions): void {
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) {
    throw new LoadError('INVALID_OPTION', `The web port must be a whole number up to ${MAX_PORT}.`);
  }
  if (token !== undefined && (token.length < MIN_TOKEN_CHARACTERS || !TOKEN.test(token))) {
    const message = `The web token needs ${MIN_TOKEN_CHARACTERS} characters or more, and no spaces.`;
    throw new LoadError('INVALID_OPTION', message);
  }
  if (token === undefined && !isLoopback(host)) {
    throw new LoadError(
      'INVALID_OPTION',
      `The page at --web-host ${host} could be used from other machines: set LOCUST_WEB_TOKEN to ` +
        'a secret that it will ask for.',
    );
  }
}

export type Verdict = 'allowed' | 'foreign-host' | 'foreign-site' | 'token-missing';

export interface Asked {
  readonly headers: IncomingHttpHeaders;
  /** It changes something. */
  readonly isWrite: boolean;
  /** It shows nothing of the runs: the form for the token, and what that needs. */
  readonly isPublic: boolean;
  /** Somebody follows a link to the page. */
  readonly isPage: boolean;
}

export class Access {
  /** What a browser that had the token shows later; good for this process. */
  readonly #session = randomBytes(32).toString('base64url');
  readonly #token: Buffer | undefined;

  constructor(token: string | undefined) {
    this.#token = token === undefined ? undefined : digestOf(token);
  }

  get wantsToken(): boolean {
    return this.#token !== undefined;
  }

  judge({ headers, isWrite, isPublic, isPage }: Asked): Verdict {
    const host = hostOf(headers.host);
    if (host === undefined) return 'foreign-host';
    if (!this.wantsToken && !isLoopback(host.name)) return 'foreign-host';
    if (isWrite ? !isOwnOrigin(headers, host.text) : !isPage && isForeignFetch(headers)) {
      return 'foreign-site';
    }
    if (this.#token === undefined || isPublic || this.#isKnown(headers)) return 'allowed';
    return 'token-missing';
  }

  isToken(text: string): boolean {
    return this.#token !== undefined && isSecret(text, this.#token);
  }

  /** For the browser that gave the token. Cookies know no ports, so the name does. */
  cookie(port: number): string {
    return `${COOKIE}${port}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`;
  }

  #isKnown({ authorization, cookie = '' }: IncomingHttpHeaders): boolean {
    const [, bearer] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    if (bearer !== undefined) return this.isToken(bearer);
    const expected = digestOf(this.#session);
    return cookiesOf(cookie, COOKIE).some((value) => isSecret(value, expected));
  }
}

const COOKIE = 'plimsoll_load_';

/** Browsers name the origin of each request that changes something; programs name none. */
function isOwnOrigin({ origin, ...headers }: IncomingHttpHeaders, host: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') return false;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === withoutDefaultPort(origin, host);
}

/** As a URL has it: a proxy for https may name port 443, or not. */
function withoutDefaultPort(origin: string, host: string): string {
  return new URL(`${new URL(origin).protocol}//${host}`).host;
}
