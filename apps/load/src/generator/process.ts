// A generator process: the conductor forks this file, tells it what to do, and gets windows back.
// Signals reach the whole process group, so the process ignores them and waits for the conductor's
// word; when the conductor is gone, it goes too.

import process from 'node:process';
import { messageOf } from '../errors.js';
import { parseHost, resolveTarget } from '../http/target.js';
import { loadUserClasses } from '../load-user-class.js';
import { readUsersFile } from '../users-file.js';
import { Generator, localUsers } from './generator.js';
import type { FromGenerator, GeneratorSettings, ToGenerator } from './protocol.js';

let generator: Generator | undefined;

async function prepare(settings: GeneratorSettings): Promise<void> {
  const host = parseHost(settings.host);
  const { processIndex, processCount, usersFile } = settings;
  const count = localUsers(settings);
  const accounts =
    usersFile === undefined
      ? undefined
      : readUsersFile(usersFile, { count, first: processIndex, step: processCount });
  generator = new Generator({
    settings,
    host,
    accounts,
    userClasses: await loadUserClasses(settings.userClasses),
    target: await resolveTarget(host),
    onWindow: send,
    onFinished: () => send({ type: 'finished' }),
  });
  send({ type: 'ready' });
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
  else stop().catch(breakDown);
});
