// Where the user classes of the validation are, as the load tester wants to be told.

import { fileURLToPath } from 'node:url';

const FILES = {
  AuthenticationLoadTest: 'authentication-load-test.js',
  MixedWorkloadTest: 'mixed-workload-test.js',
  CapacityLoadTest: 'capacity-load-test.js',
  LoginLoadTest: 'login-load-test.js',
} as const;
export type UserClassName = keyof typeof FILES;

export function userClassFile(name: UserClassName): string {
  return fileURLToPath(new URL(`./users/${FILES[name]}`, import.meta.url));
}
