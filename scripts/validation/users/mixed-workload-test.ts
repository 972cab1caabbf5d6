// The tester's own class, as its users are in production.

import MixedWorkloadTest from 'plimsoll-load/users/mixed-workload-test';
import { inProduction } from './production-client.js';

export default inProduction(MixedWorkloadTest);
