// The form: starts a run, changes its users, stops it. What the tester refuses is said below it.

import type { Phase, Refusal, StateMessage } from '../messages.js';
import { byId, setText } from './dom.js';

const PATHS = { start: '/api/start', change: '/api/users', stop: '/api/stop' } as const;

export class Controls {
  readonly #form = byId<HTMLFormElement>('form');
  readonly #users = byId<HTMLInputElement>('users');
  readonly #spawnRate = byId<HTMLInputElement>('spawn-rate');
  readonly #host = byId<HTMLInputElement>('host-input');
  readonly #runTime = byId<HTMLInputElement>('run-time');
  readonly #problem = byId('problem');
  readonly #fixed = byId('fixed');
  /** One button for both, so that Enter in a field means it. */
  readonly #send = byId<HTMLButtonElement>('submit');
  readonly #stop = byId<HTMLButtonElement>('stop');
  #state: StateMessage | undefined;
  /** What the tester last said the form is, so that nothing that is being typed is overwritten. */
  #filledWith = '';
  #isAsking = false;
  #isReachable = false;

  constructor() {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#stop.addEventListener('click', () => void this.#ask('stop', {}));
  }

  show(state: StateMessage): void {
    this.#state = state;
    const { form, problem } = state;
    const text = JSON.stringify(form);
    if (text !== this.#filledWith) {
      this.#filledWith = text;
      this.#users.value = String(form.users);
      this.#spawnRate.value = String(form.spawnRate);
      this.#host.value = form.host;
      this.#runTime.value = form.runTime;
    }
    if (problem !== null) this.#complain(problem);
    this.enable(true);
  }

  /** Without a tester nothing can be asked for. */
  enable(isReachable: boolean): void {
    this.#isReachable = isReachable;
    const phase = this.#state?.phase ?? 'ready';
    const isRunning = isUnderWay(phase);
    const fixed = (isRunning ? this.#state?.fixedWhileRunning : this.#state?.fixedUsers) ?? null;
    const isChangeable = (phase === 'spawning' || phase === 'running') && fixed === null;
    const canAsk = isReachable && !this.#isAsking;
    setText(this.#send, isRunning ? 'Set users' : 'Start');
    this.#send.disabled = !canAsk || (isRunning && !isChangeable);
    this.#stop.disabled = !canAsk || phase === 'stopping';
    for (const input of [this.#users, this.#spawnRate]) input.disabled = fixed !== null;
    this.#users.min = isRunning ? '0' : '1';
    this.#fixed.hidden = fixed === null;
    setText(this.#fixed, fixed ?? '');
  }

  async #submit(): Promise<void> {
    const isRunning = isUnderWay(this.#state?.phase ?? 'ready');
    const inputs = [this.#users, this.#spawnRate, ...(isRunning ? [] : [this.#host])];
    for (const input of inputs) if (!input.reportValidity()) return;
    const stage = { users: this.#users.valueAsNumber, spawnRate: this.#spawnRate.valueAsNumber };
    if (isRunning) await this.#ask('change', stage);
    else
      await this.#ask('start', { ...stage, host: this.#host.value, runTime: this.#runTime.value });
  }

  async #ask(what: keyof typeof PATHS, body: object): Promise<void> {
    if (this.#isAsking || !this.#isReachable) return;
    this.#isAsking = true;
    this.enable(this.#isReachable);
    this.#complain(undefined);
    try {
      const response = await fetch(PATHS[what], {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      if (!response.ok) this.#complain(((await response.json()) as Refusal).message);
    } catch {
      this.#complain('The load tester did not answer.');
    } finally {
      this.#isAsking = false;
      this.enable(this.#isReachable);
    }
  }

  #complain(text: string | undefined): void {
    this.#problem.hidden = text === undefined;
    this.#problem.textContent = text ?? '';
  }
}

export function isUnderWay(phase: Phase): boolean {
  return phase !== 'ready' && phase !== 'ended';
}
