// A server that knows no module but takes the words of modules' commands, and answers what it is
// told to: Debian's Redis has no modules.

import net from 'node:net';
import { CommandReader } from '../../build/scripts/simulate/resp.js';

const OK = '+OK\r\n';

export class Recorder {
  /** Each command of a module so far. */
  words = [];
  /** What the next ones are answered, as bytes of the protocol. */
  reply = OK;
  #sockets = new Set();
  #listener = net.createServer((socket) => this.#serve(socket));

  async start() {
    await new Promise((resolve) => this.#listener.listen(0, '127.0.0.1', resolve));
    this.url = `redis://127.0.0.1:${this.#listener.address().port}`;
    return this;
  }

  stop() {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    const reader = new CommandReader();
    let queued;
    socket.on('data', (bytes) => {
      reader.push(bytes.toString('latin1'));
      for (let words = reader.next(); words !== undefined; words = reader.next()) {
        const name = words[0].toUpperCase();
        if (name === 'MULTI') queued = 0;
        if (name === 'EXEC') {
          socket.write(`*${queued}\r\n${this.reply.repeat(queued)}`, 'latin1');
          queued = undefined;
        } else if (name.includes('.') && queued !== undefined) {
          queued++;
          this.words.push(words);
          socket.write('+QUEUED\r\n');
        } else if (name.includes('.')) {
          this.words.push(words);
          socket.write(this.reply, 'latin1');
        } else {
          socket.write(manners(name, words), 'latin1');
        }
      }
    });
  }
}

function manners(name, words) {
  if (name === 'HELLO') {
    return words[1] === '3' ? '%1\r\n$5\r\nproto\r\n:3\r\n' : '*2\r\n$5\r\nproto\r\n:2\r\n';
  }
  return name === 'PING' ? '+PONG\r\n' : OK;
}
