// Commands that the pool sends of its own accord: PING, what cleans a session, questions.

import { Command, type Payload } from '../base/command.js';
import { textPayload } from '../base/payload.js';
import { HERE } from '../base/route.js';

/** EXISTS of a command's keys, as its client has prepared it. @param timeoutMs Its deadline, ms. */
export function keyQuestion(payload: Payload, timeoutMs: number): Command {
  const question = new Command(
    { name: 'EXISTS', retryClass: 'read' },
    { timeoutMs },
    payload,
    false,
  );
  // It is about this server, and its redirect is the answer.
  question.forbidRetry();
  question.route = HERE;
  return question;
}

/** A command of the pool's own. @param timeoutMs Its deadline, ms; 0: none. */
export function ownCommand(args: readonly string[], timeoutMs: number): Command {
  const name = args[0] as string;
  const payload = textPayload(args);
  const command = new Command({ name, retryClass: 'unknown' }, { timeoutMs }, payload, true);
  // It concerns this connection: on another one it would say or undo the wrong thing.
  command.forbidRetry();
  command.route = HERE;
  return command;
}
