// A server as those see it who keep connections to it.

import type { ConnectionSource } from './link.js';

export interface Endpoint {
  /** What tells it from others for as long as it is there; a change of its role makes another. */
  readonly id: string;
  /** For messages and events: `host:port`, a path, a master's name. No secret. */
  readonly address: string;
  readonly role: 'primary' | 'replica';
  /** Availability zone, where the server tells it. */
  readonly zone?: string | undefined;
  /** Which of several databases it is of, where one is used at a time. */
  readonly site?: string | undefined;
  /** Where its connections come from. */
  readonly source: ConnectionSource;
}
