// Why is there no connection, and whom does that concern?

import type { PoolErrorCode } from 'plimsoll';
import type { FailureFacts } from '../facts.js';
import type { Verdict } from '../finding.js';
import { judgeTls } from './security.js';

const CURES: Partial<Record<PoolErrorCode, string>> = {
  CONNECT_FAILED:
    'Is the server up, the name and the port right, and no firewall between? nc -vz HOST PORT tells.',
  CONNECT_TIMEOUT:
    'A firewall or a security group that drops packets, a wrong address, or TLS asked of a plain port.',
  AUTH_FAILED:
    'Compare REDIS_USERNAME and REDIS_PASSWORD (or its file) with ACL LIST of the server.',
  TLS_FAILED:
    'NODE_EXTRA_CA_CERTS names the authority; the certificate has to name the host, and to be valid.',
  MAX_CLIENTS:
    'The server has no room: raise maxclients, lower the budgets, or end connections that nobody uses.',
  SERVER_LOADING: 'The server loads its data: wait.',
  PROTOCOL_ERROR: 'What listens there is no Redis: compare the port.',
  HANDSHAKE_FAILED: 'Read what the server says: the database number, protected-mode, its version.',
};

export function judgeFailure(failure: FailureFacts, nowMs: number): Verdict[] {
  const { code, message, afterMs, tls } = failure;
  return [
    {
      code: 'UNREACHABLE',
      severity: 'critical',
      number: Math.round(afterMs),
      message: `No connection after ${Math.round(afterMs)} ms, ${code}: ${message}`,
      cure: CURES[code] ?? 'See docs/errors.md for the code.',
    },
    ...(tls === undefined ? [] : judgeTls(tls, nowMs)),
  ];
}
