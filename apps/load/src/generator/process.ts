// A generator process: the conductor forks this file, tells it what to do, and gets windows back.
// Signals reach the whole process group, so the process ignores them and waits for the conductor's
// word; when the conductor is gone, it goes too.

import process from 'node:process';
import { messageOf } from '../errors.js';
import { parseHost, resolveTarget } from '../http/target.js';
import type { LoadStage } from '../load-shape.js';
import { loadUserClasses } from '../load-user-class.js';
import type { Account } from '../user-class.js';
import { readUsersFile } from '../users-file.js';
import { Generator } from './generator.js';
import type { FromGenerator, GeneratorSettings, ToGenerator } from './protocol.js';
import { localUsers } from './staffing.js';

let generator: Generator | undefined;
let settings: GeneratorSettings;

async function prepare(given: GeneratorSettings): Promise<void> {
  settings = given;
  const host = parseHost(settings.host);
  generator = new Generator({
    settings,
    host,
    accounts: readAccounts(settings),
    userClasses: await loadUserClasses(settings.userClasses),
    target: await resolveTarget(host),
    onWindow: send,
    onFinished: () => send({ type: 'finished' }),
  });
  send({ type: 'ready' });
}

/** Of this process's users. */
function readAccounts(given: GeneratorSettings): Account[] | undefined {
  const { processIndex, processCount, usersFile } = given;
  if (usersFile === undefined) return undefined;
  const count = localUsers(given);
  return readUsersFile(usersFile, { count, first: processIndex, step: processCount });
}

function change(stage: LoadStage): void {
  // The file is read again only where it has to be: meanwhile this process does nothing else.
  const hasMore = stage.users > settings.users;
  if (hasMore) settings = { ...settings, users: stage.users };
  generator?.change(stage, hasMore ? readAccounts(settings) : undefined);
}

async function stop(): Promise<void> {
  await generator?.stop();
  send({ type: 'done' });
  process.disconnect();
}

function send(message: FromGenerator): void {
  if (process.connected) process.send!(message);
}

function breakDown(error: unknown): void {
  send({ type: 'broken', message: messageOf(error) });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
process.on('uncaughtException', breakDown);
// A promise that a task didn't wait for: the task's defect, and no reason to end the run.
process.on('unhandledRejection', (error) => {
  if (generator === undefined) breakDown(error);
  else generator.note(error);
});
process.on('message', (message: ToGenerator) => {
  if (message.type === 'prepare') prepare(message.settings).catch(breakDown);
  else if (message.type === 'start') generator?.start();
  else if (message.type === 'change') change(message.stage);
  else stop().catch(breakDown);
});
