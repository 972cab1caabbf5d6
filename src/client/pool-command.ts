// Commands that a client issues by itself.

import { Command } from '../base/command.js';
import { textPayload } from '../base/payload.js';

/** @param timeoutMs Its deadline, ms; 0: none. */
export function poolCommand(
  name: string,
  timeoutMs: number,
  payload = textPayload([name]),
): Command {
  const retryClass = name === 'PING' ? 'read' : 'unknown';
  return new Command({ name, retryClass }, { timeoutMs }, payload, true);
}
