// Who may look at the live page. It changes nothing, so what has to be kept is what it shows:
//
//   another machine           off loopback a token is needed; without one only this machine is served,
//                             and nobody who comes through a proxy
//   another site, by DNS      without a token the Host header names this machine
//   another site's page       its requests are known by sec-fetch-site
//
// A browser that has shown the token gets a cookie that is made of it, so that all workers know it, and
// a service that was started again does too.

import { createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PoolError } from '../../errors.js';
import { cookiesOf, digestOf, hostOf, isForeignFetch, isLoopback, isSecret } from './visitor.js';

export type Verdict = 'allowed' | 'foreign' | 'needs-token' | 'token-missing' | 'token-wrong';

const MIN_TOKEN_CHARACTERS = 16;
const COOKIE = 'plimsoll_dashboard=';
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

export interface TokenOptions {
  /**
   * What a visitor has to show: as `Authorization: Bearer`, or in the page's form. At least 16
   * characters. Default: none; then nobody but this machine is served.
   */
  readonly token?: string | undefined;
  /** Instead of `token`: its SHA-256 in hex, where the token itself isn't kept. */
  readonly tokenSha256?: string | undefined;
}

export class Access {
  readonly #token: Buffer | undefined;
  readonly #session: string | undefined;

  /** @throws PoolError INVALID_ARGUMENT for a token that is too short; never says the token. */
  constructor({ token, tokenSha256 }: TokenOptions) {
    if (token !== undefined && token.length < MIN_TOKEN_CHARACTERS) {
      throw refusedOption(`token needs at least ${MIN_TOKEN_CHARACTERS} characters`);
    }
    if (tokenSha256 !== undefined && !/^[\da-f]{64}$/i.test(tokenSha256)) {
      throw refusedOption('tokenSha256 needs 64 hexadecimal digits');
    }
    if (token !== undefined) this.#token = digestOf(token);
    else if (tokenSha256 !== undefined) this.#token = Buffer.from(tokenSha256, 'hex');
    if (this.#token !== undefined) {
      this.#session = createHmac('sha256', this.#token).update(COOKIE).digest('base64url');
    }
  }

  /** @param isPage Somebody may have followed a link to it. */
  judge(request: IncomingMessage, isPage: boolean): Verdict {
    const { headers } = request;
    if (!isPage && isForeignFetch(headers)) return 'foreign';
    if (this.#token === undefined) return isFromHere(request) ? 'allowed' : 'needs-token';
    const { authorization, cookie = '' } = headers;
    const digest = digestOf(this.#session as string);
    if (cookiesOf(cookie, COOKIE).some((value) => isSecret(value, digest))) return 'allowed';
    if (authorization === undefined) return 'token-missing';
    const [, bearer = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
    return isSecret(bearer, this.#token) ? 'allowed' : 'token-wrong';
  }

  /** For a browser whose request showed the token; `undefined`: there is nothing to remember. */
  cookieFor({ headers, socket }: IncomingMessage): string | undefined {
    if (this.#session === undefined || headers.authorization === undefined) return undefined;
    const isSecure = 'encrypted' in socket || headers['x-forwarded-proto'] === 'https';
    return `${COOKIE}${this.#session}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  }
}

function isFromHere({ headers, socket }: IncomingMessage): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const isProxied = FORWARDED.some((name) => headers[name] !== undefined);
  return isLoopback(address) && !isProxied && isLoopback(hostOf(headers.host)?.name ?? '');
}

function refusedOption(text: string): PoolError {
  return new PoolError('INVALID_ARGUMENT', `dashboard: ${text}`, { sent: false });
}
