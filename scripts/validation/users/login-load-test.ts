// Logins and nothing else, as fast as they are answered: the cost of argon2.

import { constant, defineUser } from 'plimsoll-load';
import { inProduction } from './production-client.js';

const LoginLoadTest = defineUser({
  name: 'LoginLoadTest',
  waitMs: constant(0),
  tasks: [
    {
      name: 'POST /auth/login',
      weight: 1,
      run: (user) => {
        const { username, password } = user.account!;
        return user.post('/auth/login', { json: { username, password }, expect: 200 });
      },
    },
  ],
});

export default inProduction(LoginLoadTest);
