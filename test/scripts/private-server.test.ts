// The private server against the real programs of this machine, above all that it never
// outlives the process that started it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';

import { findServers, type PrivateServer, startPrivateServer } from '../../scripts/redis-server.js';
import { until } from '../support/until.js';

const servers = await findServers();
const started: PrivateServer[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
});

async function start(...options: Parameters<typeof startPrivateServer>): Promise<PrivateServer> {
  const server = await startPrivateServer(...options);
  started.push(server);
  return server;
}

/** Sends inline commands and returns all that the server answers until it closes. */
function ask(server: PrivateServer, ...commands: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: server.host, port: server.port });
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(answer));
    socket.write(`${[...commands, 'QUIT'].join('\r\n')}\r\n`);
  });
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe.each(servers)('a private $kind server', (found) => {
  test('serves on its port and its socket, and is gone with its folder after stop', async () => {
    const server = await start({ server: found });
    expect(await ask(server, 'PING')).toBe('+PONG\r\n+OK\r\n');
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
    expect(existsSync(server.path)).toBe(true);
    await server.stop();
    expect(processExists(server.pid)).toBe(false);
    expect(existsSync(server.folder)).toBe(false);
    await server.stop();
  });

  test('stays on its port over kill and restart, without its data', async () => {
    const server = await start({ server: found });
    const firstPid = server.pid;
    await ask(server, 'SET key value');
    await server.kill();
    expect(server.running).toBe(false);
    expect(processExists(firstPid)).toBe(false);
    await expect(ask(server, 'PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.restart();
    expect(server.pid).not.toBe(firstPid);
    expect(await ask(server, 'GET key')).toBe('$-1\r\n+OK\r\n');
    await server.stop();
    expect(existsSync(server.folder)).toBe(false);
  });

  test('notices a server that ends by itself', async () => {
    const server = await start({ server: found });
    await ask(server, 'SHUTDOWN NOSAVE');
    await until(() => !server.running);
    expect(() => server.pause()).toThrow('has ended');
    await server.restart();
    expect(server.running).toBe(true);
  });

  test('is silent while it is paused, and can be stopped then', async () => {
    const server = await start({ server: found });
    server.pause();
    const answer = ask(server, 'PING');
    const first = await Promise.race([answer, new Promise((done) => setTimeout(done, 100))]);
    expect(first).toBeUndefined();
    server.resume();
    expect(await answer).toContain('+PONG');
    server.pause();
    await server.stop();
    expect(processExists(server.pid)).toBe(false);
  });

  test('takes a password, further arguments and files', async () => {
    const open = await start({
      server: found,
      args: ['--maxclients', '7', '--aclfile', 'users.acl'],
      files: {
        'users.acl': 'user default on nopass ~* &* +@all\nuser reader on >secret ~* +get\n',
      },
    });
    expect(await ask(open, 'CONFIG GET maxclients')).toContain('$1\r\n7\r\n');
    expect(await ask(open, 'AUTH reader secret', 'SET a b')).toContain('-NOPERM');
    const locked = await start({ server: found, password: 's p' });
    expect(locked.url).toBe(`redis://:s%20p@127.0.0.1:${locked.port}`);
    expect(await ask(locked, 'PING', 'AUTH "s p"', 'PING')).toMatch(/^-NOAUTH.*\r\n\+OK\r\n\+PONG/);
  });

  test('says in its error what the server said, and leaves nothing behind', async () => {
    const failing = startPrivateServer({ server: found, args: ['--no-such-option', '1'] });
    await expect(failing).rejects.toThrow(/ended at once[\s\S]*no-such-option/);
  });

  test.each([['running'], ['paused']])(
    'that is %s ends with its SIGKILLed parent',
    async (state) => {
      const file = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));
      const owner = spawn(
        process.execPath,
        [file('run-typescript.mjs'), file('programs/server-owner.ts'), found.kind, state],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
      const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
      expect(processExists(pid)).toBe(true);
      owner.kill('SIGKILL');
      await until(() => !processExists(pid) && !existsSync(folder), 2_000);
    },
  );
});
