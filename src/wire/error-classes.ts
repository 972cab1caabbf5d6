// What callers of node-redis match on: errors of ours are instances of its classes, beside their
// code. To be imported once, by what makes pools.

import { type NodeRedisKind, presentAs } from '../errors.js';
import {
  AbortError,
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  SocketClosedUnexpectedlyError,
  TimeoutError,
} from './protocol.js';

const CLASSES: Readonly<Record<NodeRedisKind, { readonly prototype: object }>> = {
  aborted: AbortError,
  'client closed': ClientClosedError,
  'client disconnected': DisconnectsClientError,
  'client offline': ClientOfflineError,
  'connect timed out': ConnectionTimeoutError,
  'socket closed': SocketClosedUnexpectedlyError,
  'timed out': TimeoutError,
};

for (const [kind, errorClass] of Object.entries(CLASSES)) {
  presentAs(kind as NodeRedisKind, errorClass);
}
