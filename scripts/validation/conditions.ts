// Under which conditions the service is measured: what is as in production, and what is not. Every
// report has both lists.

import { RECONNECT_SHARE } from './users/production-client.js';

export const LIKE_PRODUCTION: readonly string[] = [
  'The preset and the defaults of production: four workers, 160 connections, tokens of 15 minutes, ' +
    'all limits on.',
  'Each user has an address of its own, which `X-Forwarded-For` tells as a proxy would.',
  `After ${RECONNECT_SHARE * 100} % of all requests the user connects anew, by chance to another ` +
    'worker, so that each worker meets the tokens of all users.',
  'Redis keeps an append-only file (`everysec`).',
];

const ONE_REDIS = 'One Redis without a replica, and no other service on it.';
const SEVERAL =
  'All servers share that machine, and call one dead after 2 s; 15 and 30 s are the defaults of cluster ' +
  'and sentinels.';

/** @param isReplicated Whether replicas can take over. */
export const unlikeProduction = (isReplicated: boolean): readonly string[] => [
  'Service, Redis and load tester share the CPUs of one machine, and no network lies between them.',
  'No proxy and no TLS: `X-Forwarded-For` is written by the load tester itself.',
  'Accounts and first sessions are made before, straight in Redis; their passwords have one hash.',
  'Users log in once in 500 tasks, as each login costs a password hash; after each task they pause.',
  isReplicated ? SEVERAL : ONE_REDIS,
  'Minutes, not days: no key rotation, no deployment, no cache that has aged.',
];
