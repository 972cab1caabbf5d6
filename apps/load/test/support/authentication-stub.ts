// The rules of the authentication service in memory: refresh tokens work once, a login opens a
// session, a logout ends it, and an access token is good while its session is.

import type { IncomingMessage } from 'node:http';
import { type HttpService, startHttpService } from './http-service.js';

type Reply = readonly [status: number, body?: unknown];

export function startAuthenticationStub(): Promise<HttpService> {
  const stub = new AuthenticationStub();
  return startHttpService(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const [status, body] = stub.answer(request, Buffer.concat(chunks).toString());
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

class AuthenticationStub {
  readonly #passwords = new Map<string, string>();
  /** Sessions by access and by refresh token. */
  readonly #access = new Map<string, number>();
  readonly #refresh = new Map<string, number>();
  readonly #sessions = new Set<number>();
  #issued = 0;
  #opened = 0;

  answer(request: IncomingMessage, text: string): Reply {
    const session = this.#access.get(request.headers.authorization?.slice('Bearer '.length) ?? '');
    const known = session !== undefined && this.#sessions.has(session);
    switch (`${request.method} ${request.url}`) {
      case 'POST /auth/register':
        return this.#register(JSON.parse(text));
      case 'POST /auth/login':
        return this.#logIn(JSON.parse(text));
      case 'POST /auth/refresh':
        return this.#renew(JSON.parse(text).refresh_token);
      case 'GET /auth/verify':
      case 'GET /auth/sessions':
        return known ? [200, {}] : [401];
      case 'POST /auth/introspect':
        return known && new URLSearchParams(text).has('token') ? [200, { active: true }] : [401];
      case 'POST /auth/logout':
        return known && this.#sessions.delete(session) ? [204] : [401];
      case 'GET /.well-known/jwks.json':
        return [200, { keys: [] }];
      default:
        return [404];
    }
  }

  #register({ username, password }: Record<string, string>): Reply {
    if (this.#passwords.has(username!)) return [409];
    this.#passwords.set(username!, password!);
    return [201, {}];
  }

  #logIn({ username, password }: Record<string, string>): Reply {
    if (this.#passwords.get(username!) !== password) return [401];
    this.#opened += 1;
    const session = this.#opened;
    this.#sessions.add(session);
    return [200, this.#tokens(session)];
  }

  #renew(token: string): Reply {
    const session = this.#refresh.get(token);
    if (session === undefined || !this.#sessions.has(session)) return [401];
    this.#refresh.delete(token);
    return [200, this.#tokens(session)];
  }

  #tokens(session: number) {
    this.#issued += 1;
    const [access, refresh] = [`access-${this.#issued}`, `refresh-${this.#issued}`];
    this.#access.set(access, session);
    this.#refresh.set(refresh, session);
    return { access_token: access, refresh_token: refresh, token_type: 'Bearer', expires_in: 900 };
  }
}
