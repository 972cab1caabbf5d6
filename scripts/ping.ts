// Asks a server once whether it answers, over its unix socket and without the library: what the
// library is tested with must not need the library.

import net from 'node:net';

const ANSWER_TIMEOUT_MS = 1_000;

/**
 * Whether the server at this unix socket serves commands. One that asks for a password does, or has
 * no PING; one that still loads its data does not. Waits until the server has closed the connection, so
 * that the question takes no place among its `maxclients`.
 */
export function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: socketPath });
    let answer = '';
    const settle = () => {
      socket.destroy();
      resolve(/^(\+PONG|-(?!LOADING))/.test(answer));
    };
    socket.setEncoding('utf8');
    socket.setTimeout(ANSWER_TIMEOUT_MS, settle);
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.once('error', settle);
    socket.once('close', settle);
    socket.write('PING\r\nQUIT\r\n');
  });
}
