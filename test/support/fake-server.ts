// Servers that are no Redis: what a wrong host or port leads to. Each is a TCP server on a free
// port whose behaviour towards a new connection is one function.

import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';

export interface FakeServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  /** How many connections it has accepted so far. */
  readonly acceptedConnections: number;
  /** How many of them are open now. */
  readonly openConnections: number;
  /** What clients sent so far, over all connections, in order of arrival. */
  readonly received: string;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type Behaviour = (socket: Socket) => void;

/** Answers whatever it is sent with the same text. The default is what a web server says. */
export function answersText(
  text = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
): Behaviour {
  return (socket) => {
    socket.on('data', () => socket.write(text));
  };
}

/** Accepts, reads and never answers. */
export const staysSilent: Behaviour = (socket) => {
  socket.resume();
};

/** Closes as soon as the client has said something. */
export const closesAtOnce: Behaviour = (socket) => {
  socket.once('data', () => socket.end());
};

/** Says something before it is asked, as an SMTP or SSH server does. */
export function greets(text: string): Behaviour {
  return (socket) => {
    socket.write(text);
    socket.resume();
  };
}

export async function startFakeServer(behaviour: Behaviour): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const seen = { connections: 0, text: '' };
  const listener = net.createServer((socket) => {
    seen.connections += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Small replies must not wait for one another's acknowledgement.
    socket.setNoDelay(true);
    // Clients of a server that misbehaves hang up as they like.
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      seen.text += bytes.toString('latin1');
    });
    behaviour(socket);
  });
  listener.listen({ port: 0, host: '127.0.0.1' });
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const stop = async () => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    host: '127.0.0.1',
    port,
    url: `redis://127.0.0.1:${port}`,
    get acceptedConnections() {
      return seen.connections;
    },
    get openConnections() {
      return sockets.size;
    },
    get received() {
      return seen.text;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
