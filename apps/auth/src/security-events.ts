// What somebody who watches over the service has to learn: each event is one line of the log, by
// the name in its field `event`, and a count in `auth_events_total`. All of them stand here, so that
// one place says what is told, and at which level. Facts are ids, addresses and reasons: a name
// that doesn't exist may be a password in the wrong field, so names aren't among them.
//
// Whoever attacks decides how many events there are, so lines of one kind are bounded a second; the
// next line that is written says how many were not. The count has them all.

import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';

export const SECURITY_EVENTS = {
  login: ['info', 'somebody logged in'],
  login_failed: ['warn', 'a login failed'],
  account_limited: ['warn', 'a client must wait: too many failed logins to one account'],
  address_limited: [
    'warn',
    'a client must wait: too many failures or registrations from its network',
  ],
  account_attacked: ['error', 'an account has so many failed logins that it is under attack'],
  proxy_untrusted: ['warn', 'X-Forwarded-For comes from a proxy that is not believed; told once'],
  client_refused: ['warn', 'somebody showed a wrong id or secret of a resource server'],
  refresh_reused: ['warn', 'a used refresh token was shown; its session has ended'],
  refresh_retried: ['info', 'a refresh was repeated a moment later and got the same answer'],
  refresh_ahead: ['error', 'a refresh token is younger than Redis knows: Redis has lost writes'],
  refresh_limited: ['warn', 'a session or an address refreshed more often than it may'],
  session_ended: ['info', 'somebody ended a session'],
  sessions_ended: ['info', 'somebody ended all sessions of an account'],
  password_changed: ['info', 'somebody changed a password; the other sessions have ended'],
  operator_refused: ['warn', 'somebody asked for metrics or health with a wrong token'],
  keys_changed: ['info', 'the signing keys are others than before'],
  keys_unreadable: ['error', 'the file of keys cannot be read; the keys stay as they were'],
  revocations_at_risk: ['warn', 'a crash of Redis may make tokens good again that were ended'],
  revocations_kept: ['info', 'what was ended stays ended over a crash of Redis'],
  redis_lost: ['error', 'Redis cannot be reached'],
  redis_found: ['info', 'Redis can be reached again'],
} as const satisfies Record<string, readonly ['info' | 'warn' | 'error', string]>;

export type SecurityEvent = keyof typeof SECURITY_EVENTS;

/** What may be said of an event; never a name, a password, a token or a key. */
export interface EventFacts {
  /** The account's id. */
  readonly user?: string;
  /** The session's id. */
  readonly session?: string;
  /** The client's address. */
  readonly address?: string;
  /** The id of the key that signs. */
  readonly kid?: string;
  /** A code or a sentence of our own. */
  readonly reason?: string;
}

/** Lines of one kind that one worker writes in a second, at most. */
export const MAX_LINES_A_SECOND = 50;
const SECOND_MS = 1_000;

export interface EventSink {
  readonly log: Logger;
  readonly registry: Registry;
  /** Monotonic, ms. Default: `performance.now`. */
  readonly now?: () => number;
}

export class SecurityEvents {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #counter: Counter<'event'>;
  readonly #lines = new Map<SecurityEvent, { since: number; written: number; unlogged: number }>();

  constructor({ log, registry, now = () => performance.now() }: EventSink) {
    this.#log = log;
    this.#now = now;
    this.#counter = new Counter({
      name: 'auth_events_total',
      help: 'Security events by name; docs/auth-service.md has each.',
      labelNames: ['event'],
      registers: [registry],
    });
    // A rate needs the series before its first event.
    for (const event of Object.keys(SECURITY_EVENTS)) this.#counter.inc({ event }, 0);
  }

  emit(event: SecurityEvent, facts: EventFacts = {}): void {
    this.#counter.inc({ event });
    const unlogged = this.#takeLine(event);
    if (unlogged === undefined) return;
    const [level, message] = SECURITY_EVENTS[event];
    this.#log[level]({ event, ...facts, ...(unlogged === 0 ? {} : { unlogged }) }, message);
  }

  /** How many lines of the kind were left out before this one; `undefined`: so is this one. */
  #takeLine(event: SecurityEvent): number | undefined {
    const now = this.#now();
    const lines = this.#lines.get(event) ?? { since: now, written: 0, unlogged: 0 };
    this.#lines.set(event, lines);
    if (now - lines.since >= SECOND_MS) Object.assign(lines, { since: now, written: 0 });
    if (lines.written >= MAX_LINES_A_SECOND) {
      lines.unlogged++;
      return undefined;
    }
    lines.written++;
    const { unlogged } = lines;
    lines.unlogged = 0;
    return unlogged;
  }
}
