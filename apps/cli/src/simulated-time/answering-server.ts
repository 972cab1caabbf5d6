// A simulated server that answers each command at once and keeps nothing: for what is asked of the
// pool, and not of a server's state.

import type { Listener, NetworkConnection, ServerEnd } from './network.js';
import { array, bulk, CommandReader, integer, map, OK, simple } from './resp.js';

export class AnsweringServer implements Listener {
  #clients = 0;

  accept(connection: NetworkConnection): ServerEnd {
    const reader = new CommandReader();
    const id = ++this.#clients;
    return {
      receive(text) {
        reader.push(text);
        let replies = '';
        for (let command = reader.next(); command !== undefined; command = reader.next()) {
          replies += answer(command, id);
        }
        connection.send(replies);
      },
      onClose() {},
    };
  }
}

function answer([name = '', version]: readonly string[], id: number): string {
  if (name === 'GET') return bulk('value');
  if (name === 'PING') return simple('PONG');
  if (name !== 'HELLO') return OK;
  const protocol = version === '3' ? 3 : 2;
  const facts: [string, string][] = [
    ['server', bulk('redis')],
    ['version', bulk('7.2.0')],
    ['proto', integer(protocol)],
    ['id', integer(id)],
    ['mode', bulk('standalone')],
    ['role', bulk('master')],
    ['modules', array([])],
  ];
  return map(facts, protocol);
}
