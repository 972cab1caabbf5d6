// The day of a logged-in user: nearly all requests ask whether a token is valid, some renew it,
// and one in five hundred tasks logs out and in again: each user about every 45 minutes, since a
// login is expensive by design. 10,000 users make about 1,920 requests/s.

import { between, defineUser } from '../user-class.js';
import type { SessionState } from './session.js';
import { beginSession, ensureToken, logIn, logOut, refresh, withToken } from './session.js';

export default defineUser<SessionState>({
  name: 'AuthenticationLoadTest',
  waitMs: between(1000, 9400),
  onStart: beginSession,
  tasks: [
    {
      name: 'GET /auth/verify',
      weight: 404,
      run: (user) =>
        withToken(user, (headers) => user.get('/auth/verify', { headers, expect: 200 })),
    },
    {
      name: 'POST /auth/refresh',
      weight: 40,
      run: async (user) => {
        await ensureToken(user);
        await refresh(user);
      },
    },
    {
      name: 'GET /auth/sessions',
      weight: 25,
      run: (user) =>
        withToken(user, (headers) => user.get('/auth/sessions', { headers, expect: 200 })),
    },
    {
      name: 'POST /auth/introspect',
      weight: 25,
      run: (user) =>
        withToken(user, (headers) => {
          const form = { token: user.state.accessToken ?? 'none' };
          return user.post('/auth/introspect', { headers, form, expect: 200 });
        }),
    },
    {
      name: 'GET /.well-known/jwks.json',
      weight: 5,
      run: (user) => user.get('/.well-known/jwks.json', { expect: 200 }),
    },
    {
      name: 'POST /auth/logout, POST /auth/login',
      weight: 1,
      run: async (user) => {
        await ensureToken(user);
        await logOut(user);
        await logIn(user);
      },
    },
  ],
});
