// A server that speaks just enough RESP2 to be taken for one, and answers each command as the test
// says.

import { type FakeServer, startFakeServer } from './fake-server.js';

/** RESP bytes; `undefined`: no reply to this command; `'close'`: the connection ends instead. */
export type ScriptedAnswer = string | undefined;

/** @param words The command as latin1 text. @param connection Its number, from 1. */
export type Script = (words: string[], connection: number) => ScriptedAnswer;

/** What a script returns to end the connection. */
export const CLOSE = 'close';

const GREETING = '*2\r\n$2\r\nid\r\n:1\r\n';
/** The answers of a handshake. */
const HANDSHAKE: Readonly<Record<string, string>> = {
  HELLO: GREETING,
  'CLIENT SETNAME': '+OK\r\n',
  'CLIENT SETINFO': '+OK\r\n',
  PING: '+PONG\r\n',
};

/** `script`, with the handshake answered before it is asked. */
export function afterHandshake(script: Script): Script {
  return (words, connection) => {
    const [name = '', word] = words;
    return HANDSHAKE[name] ?? HANDSHAKE[`${name} ${word}`] ?? script(words, connection);
  };
}

export function startScriptedServer(script: Script): Promise<FakeServer> {
  let connections = 0;
  return startFakeServer((socket) => {
    const connection = ++connections;
    let rest = '';
    socket.on('data', (bytes: Buffer) => {
      rest += bytes.toString('latin1');
      for (;;) {
        const command = readCommand(rest);
        if (command === undefined) return;
        rest = rest.slice(command.end);
        const answer = script(command.words, connection);
        if (answer === CLOSE) socket.destroy();
        else if (answer !== undefined) socket.write(answer, 'latin1');
      }
    });
  });
}

function readCommand(text: string): { words: string[]; end: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  const words: string[] = [];
  let cursor = head[0].length;
  for (let left = Number(head[1]); left > 0; left--) {
    const lineEnd = text.indexOf('\r\n', cursor);
    if (lineEnd === -1) return undefined;
    const start = lineEnd + 2;
    const stop = start + Number(text.slice(cursor + 1, lineEnd));
    if (text.length < stop + 2) return undefined;
    words.push(text.slice(start, stop));
    cursor = stop + 2;
  }
  return { words, end: cursor };
}
