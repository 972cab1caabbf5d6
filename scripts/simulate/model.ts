// What must hold, whatever befalls the pool and its servers. Callers tell what they ask for and what
// they get, servers tell what they execute, and the first contradiction ends the simulation.
//
//   right reply     each caller gets the reply to his own command
//   once            a write runs once at most, unless its caller allowed more; never after its
//                   caller was told that it was not sent; once at least if it was answered
//   alone           on a leased connection runs what its borrower sends, in his order, and nothing else
//   in time         nobody waits beyond his deadline, nor beyond the end of his pool
//   bounded         queue and connections keep to their limits
//   alive           the process would not end while somebody waits

import type { EventLoop } from 'plimsoll-cli/simulated-time/event-loop.js';
import type { ServerClient, Witness } from './server.js';

/** How exact deadlines are, ms: a tick of the pool's timer, a round of refusals, and some turns. */
const TOLERANCE_MS = 45;
/** A process that was blocked gives what it kept from being sent this much more, ms. */
const GRACE_AFTER_BLOCK_MS = 250;
/** Those who call within this after a block are looked at as late as the others, ms. */
const AFTERMATH_OF_BLOCK_MS = 150;

export interface Violation {
  readonly rule: string;
  readonly what: string;
  readonly step: number;
  /** Of the simulated clock, ms since the beginning. */
  readonly at: number;
}

export interface CallTerms {
  readonly kind: string;
  readonly tokens: readonly number[];
  readonly isWrite?: boolean;
  /** Its caller allowed that it runs more than once. */
  readonly mayRepeat?: boolean;
  /** Its error replies say nothing of whether it ran. */
  readonly isScript?: boolean;
  readonly isTransaction?: boolean;
  /** Parts of it may run though others fail. */
  readonly hasParts?: boolean;
  /** ms; 0: none. */
  readonly timeoutMs: number;
  readonly lease?: HeldLease | undefined;
  /** Whether a reply is the right one. */
  readonly expects: (reply: unknown) => boolean;
}

export class Call {
  readonly terms: CallTerms;
  readonly startedAt: number;
  readonly blockedBefore: number;
  readonly isAfterBlock: boolean;
  readonly executions: number[];
  /** ms; Infinity: it has none. */
  dueAt: number;
  isSettled = false;
  /** Its caller was told that it certainly did not run. */
  isUnsent = false;

  constructor(terms: CallTerms, loop: EventLoop) {
    this.terms = terms;
    this.startedAt = loop.now;
    this.blockedBefore = loop.blockedMs;
    this.isAfterBlock = loop.now - loop.blockedAt < AFTERMATH_OF_BLOCK_MS;
    this.executions = terms.tokens.map(() => 0);
    this.dueAt = terms.timeoutMs === 0 ? Infinity : loop.now + terms.timeoutMs;
  }

  toString(): string {
    const { kind, tokens } = this.terms;
    return `${kind} ${tokens.map((token) => `t${token}`).join(' ')}`;
  }
}

/** A connection that is lent just now. */
export interface HeldLease {
  readonly connectionId: number | undefined;
  lastToken: number;
}

/** How a promise ended. */
export interface Outcome {
  readonly reply?: unknown;
  readonly error?: (Error & { readonly code?: string; readonly sent?: boolean }) | undefined;
}

export class Model implements Witness {
  violation: Violation | undefined;
  /** By kind of call and by how it ended, for the report. */
  readonly outcomes = new Map<string, number>();
  readonly #loop: EventLoop;
  readonly #beganAt: number;
  readonly #byToken = new Map<number, Call>();
  readonly #open = new Set<Call>();
  readonly #leases = new Map<number, HeldLease>();
  #nextToken = 1;
  #earliestDueAt = Infinity;

  constructor(loop: EventLoop) {
    this.#loop = loop;
    this.#beganAt = loop.now;
  }

  get openCalls(): number {
    return this.#open.size;
  }

  newToken(): number {
    return this.#nextToken++;
  }

  /** A rule is broken; the first one counts. */
  violate(rule: string, what: string): void {
    const { now, steps } = this.#loop;
    this.violation ??= { rule, what, step: steps, at: now - this.#beganAt };
  }

  begin(terms: CallTerms): Call {
    const call = new Call(terms, this.#loop);
    for (const token of terms.tokens) this.#byToken.set(token, call);
    this.#open.add(call);
    this.#loop.note?.(() => `asked: ${call}`);
    this.#earliestDueAt = Math.min(this.#earliestDueAt, call.dueAt);
    return call;
  }

  /** Its end is due by then, if it is not due earlier. */
  limit(call: Call, dueAt: number): void {
    call.dueAt = Math.min(call.dueAt, dueAt);
    this.#earliestDueAt = Math.min(this.#earliestDueAt, dueAt);
  }

  /** All that is open is due by then. */
  limitAll(dueAt: number): void {
    for (const call of this.#open) this.limit(call, dueAt);
  }

  settle(call: Call, outcome: Outcome): void {
    const { terms } = call;
    this.#open.delete(call);
    if (call.isSettled) this.violate('once', `${call} was settled twice`);
    call.isSettled = true;
    const { reply, error } = outcome;
    this.#count(terms.kind, error);
    this.#loop.note?.(() => `${call} ends: ${error?.message ?? JSON.stringify(reply)}`);
    if (error === undefined) this.#judgeReply(call, reply);
    else this.#judgeError(call, error);
  }

  lend(lease: HeldLease): void {
    const { connectionId } = lease;
    if (connectionId === undefined) return;
    if (this.#leases.has(connectionId)) {
      this.violate('alone', `connection ${connectionId} is lent twice`);
    }
    this.#leases.set(connectionId, lease);
  }

  giveBack({ connectionId }: HeldLease): void {
    if (connectionId !== undefined) this.#leases.delete(connectionId);
  }

  onExecuted(tokens: readonly number[], client: ServerClient, isWrite: boolean): void {
    for (const token of tokens) {
      const call = this.#byToken.get(token);
      if (call === undefined) continue;
      const index = call.terms.tokens.indexOf(token);
      const times = (call.executions[index] as number) + 1;
      call.executions[index] = times;
      if (call.isUnsent) {
        this.violate('once', `${call} ran after its caller was told that it was not sent`);
      }
      if (isWrite && times > 1 && call.terms.mayRepeat !== true) {
        this.violate('once', `${call} ran ${times} times`);
      }
      if (client.database !== 0 && call.terms.lease === undefined) {
        this.violate('alone', `${call} ran in database ${client.database}`);
      }
      this.#judgeLease(call, token, client);
    }
  }

  onQueued(tokens: readonly number[], client: ServerClient): void {
    for (const token of tokens) {
      const { terms } = this.#byToken.get(token) ?? {};
      if (terms === undefined || terms.isTransaction === true || terms.lease !== undefined)
        continue;
      this.violate('alone', `t${token} came into an open transaction on connection ${client.id}`);
    }
  }

  onMisplaced(what: string, client: ServerClient): void {
    this.violate('alone', `${what}, on connection ${client.id} of ${client.server.address}`);
  }

  /** At each step: who waits too long? */
  check(): void {
    const { now, blockedMs } = this.#loop;
    if (now <= this.#earliestDueAt + TOLERANCE_MS) return;
    this.#earliestDueAt = Infinity;
    for (const call of this.#open) {
      const blocked = blockedMs - call.blockedBefore;
      const isDisturbed = blocked > 0 || call.isAfterBlock;
      const grace = isDisturbed ? GRACE_AFTER_BLOCK_MS + 2 * blocked : 0;
      if (now > call.dueAt + TOLERANCE_MS + grace) {
        const late = Math.round(now - call.dueAt);
        const waited = Math.round(now - call.startedAt);
        this.violate('in time', `${call} waits for ${waited} ms, ${late} ms beyond its end`);
      }
      // Not yet beyond its grace: looked at again as time goes on.
      this.#earliestDueAt = Math.min(this.#earliestDueAt, Math.max(call.dueAt, now - TOLERANCE_MS));
    }
  }

  #count(kind: string, error: Outcome['error']): void {
    const end = error === undefined ? 'ok' : (error.code ?? error.message.split(' ', 1)[0]);
    const name = `${kind} ${end}`;
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
  }

  #judgeReply(call: Call, reply: unknown): void {
    if (!call.terms.expects(reply)) {
      this.violate('right reply', `${call} was answered ${JSON.stringify(reply)}`);
    }
    const isMissing = call.executions.some((times) => times === 0);
    if (call.terms.isWrite === true && isMissing && reply !== null) {
      this.violate('once', `${call} was answered, but did not run`);
    }
  }

  #judgeError(call: Call, error: NonNullable<Outcome['error']>): void {
    const { terms } = call;
    if (terms.isWrite !== true) return;
    const hasRun = call.executions.some((times) => times > 0);
    const isServersWord = error.code === undefined;
    if (isServersWord && terms.isScript === true) return;
    if (terms.hasParts === true && (isServersWord || error.code === 'PARTLY_DONE')) return;
    if (error.sent === false || isServersWord) {
      call.isUnsent = true;
      if (hasRun) this.violate('once', `${call} ran, but its caller was told: ${error.message}`);
    }
  }

  #judgeLease(call: Call, token: number, client: ServerClient): void {
    const lease = this.#leases.get(client.id);
    const { lease: own } = call.terms;
    if (lease !== undefined && own !== lease) {
      this.violate('alone', `${call} ran on connection ${client.id}, which another caller leases`);
    }
    if (own === undefined) return;
    if (own.connectionId !== undefined && own.connectionId !== client.id) {
      this.violate('alone', `${call} ran on connection ${client.id}, not on its lease's`);
    }
    if (token < own.lastToken) this.violate('alone', `${call} ran after t${own.lastToken}`);
    own.lastToken = token;
  }
}
