// Heavier on what changes state: three renewals where the other class has one, more lists, twice the
// logins, and registrations. Each login and registration hashes a password (some 20 ms of CPU by
// design): 5,000 users of this class cost the service about five hashes a second.

import { between, defineUser } from '../user-class.js';
import {
  beginSession,
  ensureToken,
  logIn,
  logOut,
  refresh,
  register,
  type SessionState,
  withToken,
} from './session.js';

export default defineUser<SessionState>({
  name: 'MixedWorkloadTest',
  waitMs: between(1000, 9400),
  onStart: beginSession,
  tasks: [
    {
      name: 'GET /auth/verify',
      weight: 58,
      run: (user) =>
        withToken(user, (headers) => user.get('/auth/verify', { headers, expect: 200 })),
    },
    {
      name: 'POST /auth/refresh',
      weight: 20,
      run: async (user) => {
        await ensureToken(user);
        await refresh(user);
      },
    },
    {
      name: 'GET /auth/sessions',
      weight: 12,
      run: (user) =>
        withToken(user, (headers) => user.get('/auth/sessions', { headers, expect: 200 })),
    },
    {
      name: 'POST /auth/introspect',
      weight: 8,
      run: (user) =>
        withToken(user, (headers) => {
          const form = { token: user.state.accessToken ?? 'none' };
          return user.post('/auth/introspect', { headers, form, expect: 200 });
        }),
    },
    {
      name: 'GET /.well-known/jwks.json',
      weight: 1.5,
      run: (user) => user.get('/.well-known/jwks.json', { expect: 200 }),
    },
    {
      name: 'POST /auth/logout, POST /auth/login',
      weight: 0.4,
      run: async (user) => {
        await ensureToken(user);
        await logOut(user);
        await logIn(user);
      },
    },
    {
      name: 'POST /auth/register',
      weight: 0.1,
      run: (user) => {
        const suffix = Math.floor(user.random() * 1e9).toString(36);
        return register(user, `${user.state.username}-${suffix}`, 'correct horse battery new');
      },
    },
  ],
});
