// Lets the users of a class behave as clients do in production: each has an address of its own, told
// by a proxy, so that the service's limits stay on; and now and then one connects anew, by chance to
// another worker, so that each worker meets the tokens of all.

import type { UserClass } from 'plimsoll-load';
import { defineUser, type LoadResponse, type RequestOptions, type User } from 'plimsoll-load';

/** Of all requests: the connection is closed after them. A user has 50 requests on one connection. */
export const RECONNECT_SHARE = 0.02;

export function inProduction<State extends object>(userClass: UserClass<State>): UserClass<State> {
  const clients = new WeakMap<User<State>, User<State>>();
  const clientOf = (user: User<State>) => {
    const client = clients.get(user) ?? productionClient(user);
    clients.set(user, client);
    return client;
  };
  const { onStart, tasks } = userClass;
  return defineUser({
    ...userClass,
    ...(onStart === undefined ? {} : { onStart: (user: User<State>) => onStart(clientOf(user)) }),
    tasks: tasks.map((task) => ({
      ...task,
      run: (user: User<State>) => task.run(clientOf(user)),
    })),
  });
}

function productionClient<State extends object>(user: User<State>): User<State> {
  const address = addressOf(user.index);
  const request = (
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<LoadResponse> => {
    const headers = {
      ...options.headers,
      'x-forwarded-for': address,
      ...(user.random() < RECONNECT_SHARE ? { connection: 'close' } : {}),
    };
    return user.request(method, path, { ...options, headers });
  };
  return Object.assign(Object.create(user) as User<State>, {
    request,
    get: (path: string, options?: RequestOptions) => request('GET', path, options),
    post: (path: string, options?: RequestOptions) => request('POST', path, options),
  });
}

/** One in 10.0.0.0/8 for each of 16 million users. */
export function addressOf(index: number): string {
  return `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
}
