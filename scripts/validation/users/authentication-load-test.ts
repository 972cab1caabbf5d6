// The tester's own class, as its users are in production.

import AuthenticationLoadTest from 'plimsoll-load/users/authentication-load-test';
import { inProduction } from './production-client.js';

export default inProduction(AuthenticationLoadTest);
