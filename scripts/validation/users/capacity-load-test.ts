// What a session does in a day, without the logins, whose cost is the password's hash by design and is
// measured apart. Users are connected, and their tokens known to a worker, before they count.

import AuthenticationLoadTest from 'plimsoll-load/users/authentication-load-test';
import { inProduction } from './production-client.js';

const { tasks, onStart } = AuthenticationLoadTest;
const verify = tasks.find(({ name }) => name === 'GET /auth/verify')!;

export default inProduction({
  ...AuthenticationLoadTest,
  name: 'CapacityLoadTest',
  tasks: tasks.filter(({ name }) => !name.includes('/auth/login')),
  async onStart(user) {
    await onStart?.(user);
    await verify.run(user);
  },
});
