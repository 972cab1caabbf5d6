// What becomes of a command that a server has refused: it is another server's, this one takes it in
// a moment, or the refusal is its caller's answer. What a script or a module may have made up is
// believed only where the server itself says the same.

import type { Clock } from '../base/clock.js';
import type { Command, ReplyVerdict } from '../base/command.js';
import type { PoolWarning } from '../config/options.js';
import { InvalidOptionsError, PoolError } from '../errors.js';
import type { NodePool } from '../node/node-pool.js';
import { keyQuestion } from '../node/own-command.js';
import type { Statistics } from '../node/statistics.js';
import { judgeServersWord } from '../policy/reply-verdict.js';
import type { Recovery } from './recovery.js';
import type { Router } from './router.js';

export interface RefusedDependencies {
  readonly router: Router;
  readonly recovery: Recovery;
  readonly statistics: Statistics;
  readonly clock: Clock;
  /** How long a server may take to say what it says of a command's keys, ms. */
  readonly questionTimeoutMs: number;
  warn(warning: PoolWarning): void;
}

export class Refused {
  readonly #dependencies: RefusedDependencies;
  /** Why the only server sends commands away; `undefined`: it has not done so yet. */
  #misfit: InvalidOptionsError | undefined;

  constructor(dependencies: RefusedDependencies) {
    this.#dependencies = dependencies;
  }

  /** Keeps the command for another attempt; false: there is none. */
  tryAgain(node: NodePool, command: Command, verdict: ReplyVerdict): boolean {
    const { router, recovery, statistics, clock } = this.#dependencies;
    const { outcome, redirect } = verdict;
    if (!command.mayBeSentAgain) return false;
    if (redirect !== undefined) {
      statistics.redirects++;
      return router.follow(node, command, redirect, clock.now());
    }
    const { endpoint } = node;
    const { isSharded } = router.topology;
    const isReplica = endpoint.role === 'replica';
    if (!(isSharded || isReplica) || outcome !== 'not-applied') {
      return recovery.tryAgain(command, outcome);
    }
    // Of a replica behind sentinels no connection is of use until it serves reads again.
    const downForMs = isReplica ? 0 : undefined;
    if (verdict.isAway || (isReplica && !isSharded)) {
      router.topology.report({ kind: 'unreachable', endpoint, downForMs });
    }
    return recovery.waitOut(command);
  }

  /** The only server is a node of a cluster: whoever gets its MOVED, or ASK, learns what to do. */
  explain({ endpoint }: NodePool, error: Error): void {
    if (this.#misfit === undefined) {
      const text =
        `cluster must be given in place of the address: ${endpoint.address} is a node of a ` +
        'cluster, which sends commands to other nodes (MOVED)';
      this.#misfit = new InvalidOptionsError([text]);
      this.#dependencies.warn({ code: 'CLUSTER_NODE', message: text });
    }
    error.cause ??= this.#misfit;
  }

  /**
   * A script or a module answered what a server says that does not run a command. The server is
   * asked for the same keys by a command that cannot make that up: only its word counts.
   * @returns Whether it is asked; else the error is the caller's answer.
   */
  confirm(node: NodePool, command: Command, error: Error): boolean {
    const { router, questionTimeoutMs, clock } = this.#dependencies;
    const { probe } = command;
    if (probe === undefined || !router.topology.isSharded || command.settled) return false;
    const leftMs = command.deadlineAt - clock.now();
    if (judgeServersWord(error.message).again === 'no' || leftMs <= 0) return false;
    const question = keyQuestion(probe, Math.min(questionTimeoutMs, leftMs));
    question.promise.then(
      () => command.fail(error),
      (said: Error) => {
        const isKept = isSameWord(error, said) && this.#tryAgainAs(node, command, said);
        if (!isKept) command.fail(error);
      },
    );
    node.send(question);
    return true;
  }

  #tryAgainAs(node: NodePool, command: Command, said: Error): boolean {
    const verdict = judgeServersWord(said.message);
    return verdict.again !== 'no' && this.tryAgain(node, command, verdict);
  }
}

/**
 * Whether a server says what a script has said before. It may have begun to say something of the
 * kind meanwhile, of which the script knew nothing: then the script has run. A slot that was asked
 * for elsewhere (ASK) may have moved there for good by now.
 */
function isSameWord(error: Error, said: Error): boolean {
  if (said instanceof PoolError) return false;
  if (said.message === error.message) return true;
  const first = judgeServersWord(error.message).redirect;
  const second = judgeServersWord(said.message).redirect;
  if (first === undefined || second === undefined) return false;
  return first.slot === second.slot && first.to === second.to;
}
