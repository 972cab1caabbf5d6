// One request to the service, of which the caller learns what a client would: its status, or 0 where no
// answer came, and when to try again.

import { type Agent, request } from 'node:http';

const DEFAULT_RETRY_MS = 1_000;
const REQUEST_TIMEOUT_MS = 8_000;

export interface Question {
  /** Default: GET. */
  readonly method?: string;
  readonly path: string;
  /** An access token. */
  readonly token?: string | undefined;
  readonly body?: object | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly retryAfterMs: number;
}

const LOST: Answer = { status: 0, body: '', retryAfterMs: DEFAULT_RETRY_MS };

export function ask(url: string, agent: Agent, question: Question): Promise<Answer> {
  const { method = 'GET', path, token, body } = question;
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  return new Promise((resolve) => {
    const options = { agent, method, headers, timeout: REQUEST_TIMEOUT_MS };
    const call = request(`${url}${path}`, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('error', () => resolve(LOST));
      response.once('end', () => {
        const seconds = Number(response.headers['retry-after']);
        const retryAfterMs = seconds > 0 ? seconds * 1000 : DEFAULT_RETRY_MS;
        resolve({ status: response.statusCode ?? 0, body: text, retryAfterMs });
      });
    });
    call.once('timeout', () => call.destroy(new Error('timed out')));
    call.once('error', () => resolve(LOST));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
