// What a session does in a day, without the logins, whose cost is the password's hash by design and is
// measured apart. Users are connected, and their tokens known to a worker, before anything counts: as
// long as users still come, tasks do nothing, or the end of coming would be an overload of its own.

import AuthenticationLoadTest from 'plimsoll-load/users/authentication-load-test';
import { inProduction } from './production-client.js';

/** Nobody has come for so long: all are there. */
const ALL_THERE_MS = 500;

const { tasks, onStart } = AuthenticationLoadTest;
const verify = tasks.find(({ name }) => name === 'GET /auth/verify')!;
/** Of all users of this process. */
let lastCameAt = 0;

export default inProduction({
  ...AuthenticationLoadTest,
  name: 'CapacityLoadTest',
  tasks: tasks
    .filter(({ name }) => !name.includes('/auth/login'))
    .map((task) => ({
      ...task,
      run: async (user) => {
        if (performance.now() - lastCameAt > ALL_THERE_MS) await task.run(user);
      },
    })),
  async onStart(user) {
    await onStart?.(user);
    await verify.run(user);
    lastCameAt = performance.now();
  },
});
