// The lease that borrowers get: a connection for itself, with a client that speaks on it.

import type { Entry } from '../node/entry.js';
import { ConnectionLease, type LeaseOwner } from '../node/lease.js';
import type { Lease } from './faces.js';
import type { LeaseClients } from './lease-host.js';
import type {
  None,
  PlimsollClient,
  RedisFunctions,
  RedisModules,
  RedisScripts,
  RespVersions,
  TypeMapping,
} from './types.js';

export class ClientLease<
    M extends RedisModules = None,
    F extends RedisFunctions = None,
    S extends RedisScripts = None,
    RESP extends RespVersions = 3,
    TM extends TypeMapping = None,
  >
  extends ConnectionLease
  implements Lease<M, F, S, RESP, TM>
{
  // Not #private: on Node 20 each such field makes construction dearer, and leases are many.
  private readonly clients: LeaseClients;
  private madeClient: PlimsollClient<M, F, S, RESP, TM> | undefined = undefined;

  constructor(
    clients: LeaseClients,
    owner: LeaseOwner,
    entry: Entry,
    now: number,
    origin: Error | undefined,
  ) {
    super(owner, entry, now, origin);
    this.clients = clients;
  }

  get client(): PlimsollClient<M, F, S, RESP, TM> {
    this.madeClient ??= this.clients.createLeaseClient(this) as unknown as PlimsollClient<
      M,
      F,
      S,
      RESP,
      TM
    >;
    return this.madeClient;
  }

  [Symbol.dispose](): void {
    if (!this.isReleased) this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isReleased) this.release();
  }
}
