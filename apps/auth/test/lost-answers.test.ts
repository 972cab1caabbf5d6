// Answers that get lost on the way, from whatever cause: who tries again keeps the session.

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@redis/client';
import { expect, test } from 'vitest';
import { describeEachPrivateServer } from '../../../test/support/servers.js';
import { homeOf, sessionPrefix } from '../src/store/keys.js';
import { expectProblem } from './support/expectations.js';
import {
  login,
  openService,
  post,
  type TestService,
  type TokenAnswer,
  useWorkers,
  verify,
} from './support/service.js';

const CLIENTS = 40;
const RESTARTS = 3;
/** Refreshes that each restart has to meet, so that some are in flight. */
const REFRESHES_BETWEEN = 4 * CLIENTS;
/** Longer than a server takes to start on a busy machine. */
const GRACE_SECONDS = 60;
/** Longer than the pool's patience, after which it says that the server is gone. */
const OUTAGE_MS = 4_000;
const RETRY_PAUSE_MS = 20;

describeEachPrivateServer(
  'lost answers',
  (server) => {
    const config = { refreshGraceSeconds: GRACE_SECONDS };
    const [service, secondWorker] = useWorkers(server, { config });

    const observe = async () => {
      const observer = createClient({ url: server().url });
      observer.on('error', () => undefined);
      return observer.connect();
    };
    /** Of the session that a token is of. */
    const keyOf = async (worker: TestService, { access_token }: TokenAnswer) => {
      const { sid, username } = (await verify(worker, access_token)).json();
      return sessionPrefix(homeOf(username)) + sid;
    };
    const refresh = (worker: TestService, { refresh_token }: TokenAnswer) =>
      post(worker, '/auth/refresh', { refresh_token });

    /** Tries again as long as Redis is away. */
    const refreshPatiently = async (worker: TestService, tokens: TokenAnswer) => {
      let answer = await refresh(worker, tokens);
      const retry = async () => {
        if (answer.statusCode === 503) answer = await refresh(worker, tokens);
        return answer.statusCode;
      };
      await expect.poll(retry, { interval: RETRY_PAUSE_MS, timeout: 10_000 }).not.toBe(503);
      return answer;
    };

    test('a refresh that was carried out and answered 503 gets its tokens when tried again', async () => {
      // The second one, as the server knows the script only from the first on.
      const tokens = (await refresh(service, await login(service))).json<TokenAnswer>();
      const key = await keyOf(service, tokens);
      const { sid } = (await verify(service, tokens.access_token)).json();
      const observer = await observe();
      server().pause();
      expectProblem(await refresh(service, tokens), 'STORE_UNAVAILABLE');
      expectProblem(await refresh(secondWorker, tokens), 'STORE_UNAVAILABLE');
      server().resume();
      // The command stood in the server's socket all the time.
      await expect.poll(() => observer.hGet(key, 'generation')).toBe('2');
      const again = await refreshPatiently(service, tokens);
      expect(again.statusCode).toBe(200);
      const next = again.json<TokenAnswer>();
      expect((await refreshPatiently(secondWorker, next)).statusCode).toBe(200);
      expect((await verify(service, next.access_token)).json().sid).toBe(sid);
      observer.destroy();
    });

    test('no session is lost while the server is killed and restarted under load', async () => {
      const sessions = await Promise.all(Array.from({ length: CLIENTS }, () => login(service)));
      const refusals: string[] = [];
      let done = 0;
      let unanswered = 0;
      let isOver = false;
      // A well-behaved client: it shows the token it has until it is given another one.
      const client = async (index: number) => {
        const worker = index % 2 === 0 ? service : secondWorker;
        while (!isOver) {
          const answer = await refresh(worker, sessions[index]!);
          if (answer.statusCode === 200) {
            sessions[index] = answer.json();
            done++;
          } else if (answer.statusCode === 503) {
            unanswered++;
            await sleep(RETRY_PAUSE_MS * Number(answer.headers['retry-after']));
          } else {
            refusals.push(answer.json().code);
            return;
          }
        }
      };
      const clients = sessions.map((_, index) => client(index));
      const progress = (count: number) =>
        expect.poll(() => done >= count || refusals.length > 0, { timeout: 30_000 }).toBe(true);
      // One that meets no refresh under way shows nothing.
      for (let restart = 0; restart < RESTARTS || unanswered === 0; restart++) {
        await progress(done + REFRESHES_BETWEEN);
        await server().kill();
        await server().restart();
      }
      await progress(done + REFRESHES_BETWEEN);
      isOver = true;
      await Promise.all(clients);
      expect(refusals).toEqual([]);
      expect(unanswered).toBeGreaterThan(0);
      const last = await Promise.all(sessions.map((tokens) => refreshPatiently(service, tokens)));
      expect(new Set(last.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    }, 60_000);

    test('an outage that is longer than the time of grace makes no theft of a retry', async () => {
      const hasty = await openService(server().url, {
        config: { refreshGraceSeconds: 3 },
        keysFile: service.keysFile,
      });
      const tokens = await login(hasty);
      const idle = await openService(server().url, {
        config: { refreshGraceSeconds: 3 },
        keysFile: service.keysFile,
      });
      const retriedElsewhere = await login(idle);
      await refresh(idle, retriedElsewhere);
      // The answers are lost, and Redis goes.
      const lost = (await refresh(hasty, tokens)).json<TokenAnswer>();
      await server().kill();
      const diedAt = performance.now();
      while (performance.now() - diedAt < OUTAGE_MS) {
        expectProblem(await refresh(hasty, tokens), 'STORE_UNAVAILABLE');
        await sleep(RETRY_PAUSE_MS);
      }
      await server().restart();
      const again = await refreshPatiently(hasty, tokens);
      expect(again.statusCode).toBe(200);
      expect(again.json<TokenAnswer>().refresh_token).toBe(lost.refresh_token);
      // A worker whom nobody asked anything meanwhile has seen the outage, too.
      expect((await refreshPatiently(idle, retriedElsewhere)).statusCode).toBe(200);
      // A token that was used long before the outage is a used token.
      const key = await keyOf(hasty, lost);
      const observer = await observe();
      for (const time of ['replaced', 'began']) {
        await observer.hIncrBy(key, time, -2 * OUTAGE_MS);
      }
      observer.destroy();
      expectProblem(await refresh(hasty, tokens), 'REFRESH_REUSED');
      await idle.close();
      await hasty.close();
    });

    test('a server that lost its last writes takes the tokens that it has forgotten', async () => {
      const isReady = async () => (await service.app.inject('/health/ready')).statusCode;
      await expect.poll(isReady, { timeout: 10_000 }).toBe(200);
      const before = await login(service);
      const { sid } = (await verify(service, before.access_token)).json();
      const observer = await observe();
      const key = await keyOf(service, before);
      const old = await observer.hGetAll(key);
      const after = (await refresh(service, before)).json<TokenAnswer>();
      await observer.del(key);
      await observer.hSet(key, old);
      const next = await refresh(service, after);
      expect(next.statusCode).toBe(200);
      expect((await verify(service, next.json().access_token)).json().sid).toBe(sid);
      expect(service.logged.join('')).toContain('"event":"refresh_ahead"');
      observer.destroy();
    });
  },
  { args: ['--appendonly', 'yes', '--appendfsync', 'everysec'] },
);
