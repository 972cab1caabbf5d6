// What both user classes know of the authentication service: a user's session and the requests
// that begin, renew and end it. A session that turns out to be invalid is begun anew, as an
// application would do it, so that one failure doesn't become a failure with each request.

import { Buffer } from 'node:buffer';
import type { LoadResponse, User } from '../user-class.js';

export interface SessionState {
  username?: string;
  password?: string;
  accessToken?: string | undefined;
  refreshToken?: string | undefined;
  /** Unix ms; undefined when the token doesn't say. */
  expiresMs?: number | undefined;
}

export type SessionUser = User<SessionState>;

interface TokenPair {
  access_token: string;
  refresh_token: string;
  expires_in?: number;
}

/** Renewing this long before the expiry leaves room for a slow answer. */
const RENEW_BEFORE_MS = 30_000;

/** onStart: takes the account of the users file, or registers and logs in. */
export async function beginSession(user: SessionUser): Promise<void> {
  const { account, state } = user;
  // The time keeps apart the users of runs against the same service.
  state.username = account?.username ?? `load-${Date.now().toString(36)}-${user.index}`;
  state.password = account?.password ?? `correct horse battery ${user.index}`;
  if (account === undefined) await register(user, state.username, state.password);
  if (account?.access_token === undefined) return void (await logIn(user));
  state.accessToken = account.access_token;
  state.refreshToken = account.refresh_token;
  state.expiresMs = expiryOf(account.access_token);
}

export function register(
  user: SessionUser,
  username: string,
  password: string,
): Promise<LoadResponse> {
  return user.post('/auth/register', { json: { username, password }, expect: 201 });
}

export async function logIn(user: SessionUser): Promise<LoadResponse> {
  const { username, password } = user.state;
  const response = await user.post('/auth/login', { json: { username, password }, expect: 200 });
  keepTokens(user, response);
  return response;
}

export async function logOut(user: SessionUser): Promise<LoadResponse> {
  const response = await user.post('/auth/logout', { headers: bearer(user), expect: 204 });
  user.state.accessToken = undefined;
  user.state.refreshToken = undefined;
  return response;
}

export async function refresh(user: SessionUser): Promise<LoadResponse> {
  const json = { refresh_token: user.state.refreshToken };
  const response = await user.post('/auth/refresh', { json, expect: 200 });
  if (response.ok) keepTokens(user, response);
  // A refresh token is good for one use: after a refusal, only a login helps.
  else if (response.status === 400 || response.status === 401) await logIn(user);
  return response;
}

/** Makes sure that there is a token that is valid for a while. */
export async function ensureToken(user: SessionUser): Promise<void> {
  const { accessToken, refreshToken, expiresMs } = user.state;
  if (accessToken === undefined) return void (await logIn(user));
  if (expiresMs === undefined || Date.now() < expiresMs - RENEW_BEFORE_MS) return;
  await (refreshToken === undefined ? logIn(user) : refresh(user));
}

/** A request with the user's token; a 401 drops the token, so that the next task logs in. */
export async function withToken(
  user: SessionUser,
  send: (headers: Record<string, string>) => Promise<LoadResponse>,
): Promise<void> {
  await ensureToken(user);
  const response = await send(bearer(user));
  if (response.status === 401) user.state.accessToken = undefined;
}

function bearer(user: SessionUser): Record<string, string> {
  return { authorization: `Bearer ${user.state.accessToken ?? 'none'}` };
}

function keepTokens({ state }: SessionUser, response: LoadResponse): void {
  const pair = response.ok ? response.json<TokenPair>() : undefined;
  state.accessToken = pair?.access_token;
  state.refreshToken = pair?.refresh_token;
  const seconds = pair?.expires_in;
  state.expiresMs = seconds === undefined ? undefined : Date.now() + seconds * 1000;
}

/** When a JWT expires, in Unix ms; undefined when it isn't one. */
function expiryOf(token: string): number | undefined {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    const { exp } = JSON.parse(payload) as { exp?: number };
    return exp === undefined ? undefined : exp * 1000;
  } catch {
    return undefined;
  }
}
