// What a credentials provider is told, in node-redis' error classes, and what the pool tells of it.

import { callListener } from '../base/uncaught.js';
import type { CredentialsFeed } from '../config/credentials.js';
import type { ResolvedOptions } from '../config/options.js';
import type { PoolError } from '../errors.js';
import { CredentialsError, UnableToObtainNewCredentialsError } from '../wire/protocol.js';

/** @param announce Told of what refuses newer credentials, and that there are none. */
export function followCredentials(
  options: ResolvedOptions,
  announce: (error: PoolError) => void,
): void {
  for (const feed of feedsOf(options)) {
    feed.onTrouble = (error, trouble) => {
      const Told = trouble === 'refused' ? CredentialsError : UnableToObtainNewCredentialsError;
      callListener(() => feed.tellProvider(new Told(error.message)));
      announce(error);
    };
  }
}

/** For good. */
export function stopCredentials(options: ResolvedOptions): void {
  for (const feed of feedsOf(options)) callListener(() => feed.stop());
}

function feedsOf({ target, endpoints }: ResolvedOptions): readonly CredentialsFeed[] {
  const feeds = [target, ...endpoints.map((endpoint) => endpoint.target)];
  return feeds.flatMap(({ credentials }) => credentials ?? []);
}
