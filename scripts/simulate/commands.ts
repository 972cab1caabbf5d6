// What a simulated server answers. Commands of callers carry tokens, numbers that are used once, so
// that it is known how often each of them ran, and each reply differs from all others:
//
//   GET {tag}t12         -> "v:{tag}t12"            APPEND {tag} t12  -> 12
//   EVAL text 1 {tag} t12 -> 12, or an error that the script makes up after it has written
//   BLPOP list seconds   -> [list, element]

import {
  array,
  bulk,
  error,
  integer,
  map,
  noArray,
  nothing,
  OK,
  push,
  simple,
} from 'plimsoll-cli/simulated-time/resp.js';
import type { ServerClient } from './server.js';

/** The texts that scripts make up, by the number that stands in their source. */
export const MADE_UP_ERRORS = [
  "READONLY You can't write against a read only replica.",
  'LOADING made up by a script',
  'MOVED 1 10.0.0.9:1',
  'BUSY made up by a script',
  'CLUSTERDOWN made up by a script',
];

/** Characters of a command or a reply in a report. */
const LONGEST_NOTE = 120;

const TOKEN = /t(\d+)$/;

/** What is answered while a transaction is open, in place of being queued. */
const NOT_QUEUED = new Set(['EXEC', 'DISCARD', 'MULTI', 'WATCH', 'RESET']);
/** What a server answers in any mood. */
const ALWAYS_ANSWERED = new Set(['HELLO', 'AUTH', 'CLIENT', 'MULTI', 'DISCARD', 'EXEC', 'UNWATCH']);

type Handler = (client: ServerClient, args: readonly string[]) => string;

export function answer(client: ServerClient, command: readonly string[]): string {
  const name = (command[0] as string).toUpperCase();
  const args = command.slice(1);
  if (name === '#POPPED') return reportPopped(client, args);
  if (client.transaction !== undefined && !NOT_QUEUED.has(name)) {
    return enqueue(client, name, args);
  }
  const refusal = refusalOf(client, name, args);
  const reply = refusal === undefined ? execute(client, name, args) : error(refusal);
  // Once before MULTI it holds for all that is queued.
  if (name !== 'ASKING' && client.transaction === undefined) client.isAsking = false;
  client.note(() => `${short(command.join(' '))} -> ${short(JSON.stringify(reply))}`);
  return reply;
}

/** The tokens among the arguments. */
export function tokensIn(args: readonly string[]): number[] {
  return args.flatMap((arg) => {
    const token = TOKEN.exec(arg)?.[1];
    return token === undefined ? [] : [Number(token)];
  });
}

function refusalOf(
  client: ServerClient,
  name: string,
  args: readonly string[],
): string | undefined {
  const { server } = client;
  const { mood, surroundings } = server;
  // A replica takes what only reads.
  const isMoody = !ALWAYS_ANSWERED.has(name) && (!mood?.startsWith('READONLY') || WRITES.has(name));
  if (mood !== undefined && isMoody) return mood;
  const keys = keysOf(name, args);
  if (keys.length > 0 && surroundings.slots !== undefined) {
    const isReplicaRead = client.isReadOnly && !WRITES.has(name);
    const refusal = surroundings.slots.refusal(server, keys, client.isAsking, isReplicaRead);
    if (refusal !== undefined) return refusal;
  }
  if (server.role === 'slave' && WRITES.has(name)) {
    return "READONLY You can't write against a read only replica.";
  }
  return undefined;
}

/** Its error comes at once, and EXEC is refused then. */
function enqueue(client: ServerClient, name: string, args: readonly string[]): string {
  client.server.surroundings.witness.onQueued(tokensIn(args), client);
  const refusal = refusalOf(client, name, args);
  if (refusal !== undefined) {
    client.isAborted = true;
    return error(refusal);
  }
  client.transaction?.push([name, ...args]);
  return simple('QUEUED');
}

function execute(client: ServerClient, name: string, args: readonly string[]): string {
  const handler = HANDLERS[name];
  if (handler !== undefined) return handler(client, args);
  const reply = client.server.surroundings.answerBeyond?.(client, name, args);
  return reply ?? error(`ERR unknown command '${name}', with args beginning with:`);
}

const WRITES = new Set(['APPEND', 'EVAL', 'BLPOP', 'DEL', 'MSET']);

function keysOf(name: string, args: readonly string[]): readonly string[] {
  switch (name) {
    case 'GET':
    case 'APPEND':
    case 'BLPOP':
      return args.slice(0, 1);
    case 'EVAL':
      return args.slice(2, 2 + Number(args[1]));
    case 'WATCH':
    case 'MGET':
    case 'DEL':
    case 'EXISTS':
      return args;
    default:
      return [];
  }
}

function ran(client: ServerClient, args: readonly string[], isWrite: boolean): void {
  const { witness } = client.server.surroundings;
  witness.onExecuted(tokensIn(args), client, isWrite);
}

function bump({ server }: ServerClient, key: string): void {
  server.versions.set(key, (server.versions.get(key) ?? 0) + 1);
}

const HANDLERS: Readonly<Record<string, Handler>> = {
  HELLO(client, [version]) {
    client.protocol = version === '3' ? 3 : 2;
    const { protocol, server } = client;
    const facts: [string, string][] = [
      ['server', bulk('redis')],
      ['version', bulk('7.2.0')],
      ['proto', integer(protocol)],
      ['id', integer(client.id)],
      ['mode', bulk(server.surroundings.slots === undefined ? 'standalone' : 'cluster')],
      ['role', bulk(server.role === 'master' ? 'master' : 'replica')],
      ['modules', array([])],
    ];
    return map(facts, protocol);
  },
  PING: (_, [text]) => (text === undefined ? simple('PONG') : bulk(text)),
  SELECT(client, [database]) {
    client.database = Number(database);
    return OK;
  },
  READONLY(client) {
    client.isReadOnly = true;
    return OK;
  },
  ASKING(client) {
    client.isAsking = true;
    return OK;
  },
  CLIENT: (client, [what, ...args]) => answerAboutClients(client, (what ?? '').toUpperCase(), args),
  ROLE: ({ server }) =>
    server.role === 'master'
      ? array([bulk('master'), integer(0), array([])])
      : array([bulk('slave'), bulk('10.0.0.1'), integer(6379), bulk('connected'), integer(0)]),
  CLUSTER(client, args) {
    const { slots } = client.server.surroundings;
    return slots?.describe(client.server, client, args) ?? error('ERR cluster support disabled');
  },
  GET(client, args) {
    ran(client, args, false);
    return bulk(`v:${args[0]}`);
  },
  MGET(client, args) {
    ran(client, args, false);
    return array(args.map((key) => bulk(`v:${key}`)));
  },
  APPEND(client, args) {
    ran(client, args, true);
    bump(client, args[0] as string);
    return integer(tokensIn(args)[0] as number);
  },
  DEL(client, args) {
    ran(client, args, true);
    return integer(args.length);
  },
  EVAL(client, [script, , ...args]) {
    ran(client, args, true);
    const text = MADE_UP_ERRORS[Number(script)];
    return text === undefined ? integer(tokensIn(args)[0] as number) : error(text);
  },
  WATCH(client, keys) {
    if (client.transaction !== undefined) return error('ERR WATCH inside MULTI is not allowed');
    for (const key of keys) client.watched.set(key, client.server.versions.get(key) ?? 0);
    return OK;
  },
  UNWATCH(client) {
    client.watched.clear();
    return OK;
  },
  MULTI(client) {
    if (client.transaction !== undefined) {
      client.server.surroundings.witness.onMisplaced('MULTI in a transaction', client);
      return error('ERR MULTI calls can not be nested');
    }
    client.transaction = [];
    client.isAborted = false;
    return OK;
  },
  DISCARD(client) {
    if (client.transaction === undefined) return error('ERR DISCARD without MULTI');
    client.transaction = undefined;
    client.watched.clear();
    return OK;
  },
  EXEC: executeTransaction,
  BLPOP: pop,
  SUBSCRIBE(client, channels) {
    return channels
      .map((channel, index) => {
        client.channels.add(channel);
        const items = [bulk('subscribe'), bulk(channel), integer(index + 1)];
        return client.protocol === 3 ? push(items) : array(items);
      })
      .join('');
  },
};

function executeTransaction(client: ServerClient): string {
  const queued = client.transaction;
  if (queued === undefined) return error('ERR EXEC without MULTI');
  client.transaction = undefined;
  const isDirty = [...client.watched].some(
    ([key, version]) => (client.server.versions.get(key) ?? 0) !== version,
  );
  client.watched.clear();
  if (client.isAborted) {
    return error('EXECABORT Transaction discarded because of previous errors.');
  }
  if (isDirty) return noArray(client.protocol);
  const { mood } = client.server;
  if (mood !== undefined) return error(`EXECABORT Transaction discarded because of: ${mood}`);
  return array(queued.map(([name, ...args]) => execute(client, name as string, args)));
}

function pop(client: ServerClient, [key, seconds]: readonly string[]): string {
  const { server } = client;
  const elements = server.elements.get(key as string);
  const element = elements?.shift();
  if (element !== undefined) return reportPopped(client, [key as string, element]);
  if (client.transaction !== undefined) return noArray(client.protocol);
  client.blockedOn = key;
  const waitMs = 1_000 * Number(seconds);
  if (waitMs > 0) endBlockAt(client, ++client.blockNumber, server.now + waitMs);
  return '';
}

/** A server that hangs looks at its clock when it goes on. */
function endBlockAt(client: ServerClient, blockNumber: number, at: number): void {
  const { server } = client;
  server.surroundings.loop.happensAt(at, () => {
    if (client.blockNumber !== blockNumber) return;
    if (server.isHung) endBlockAt(client, blockNumber, server.hungUntil);
    else client.unblock(undefined, noArray(client.protocol));
  });
}

/** The answer to who waited for an element. */
function reportPopped(client: ServerClient, [key, element]: readonly string[]): string {
  ran(client, [element as string], true);
  return array([bulk(key as string), bulk(element as string)]);
}

function answerAboutClients(client: ServerClient, what: string, args: readonly string[]): string {
  const { server, protocol } = client;
  switch (what) {
    case 'ID':
      return integer(client.id);
    case 'SETNAME':
    case 'SETINFO':
      return OK;
    case 'LIST':
      return bulk(
        args
          .slice(1)
          .flatMap((id) => {
            const other = server.clients.get(Number(id));
            const flags = other?.blockedOn === undefined ? 'N' : 'b';
            return other === undefined ? [] : [`id=${id} flags=${flags} idle=5 qbuf=0 cmd=NULL\n`];
          })
          .join(''),
      );
    case 'UNBLOCK': {
      const other = server.clients.get(Number(args[0]));
      if (other?.blockedOn === undefined) return integer(0);
      const reply =
        args[1]?.toUpperCase() === 'ERROR'
          ? error('UNBLOCKED client unblocked via CLIENT UNBLOCK')
          : noArray(other.protocol);
      other.unblock(undefined, reply);
      return integer(1);
    }
    default:
      return nothing(protocol);
  }
}

function short(text: string): string {
  return text.length > LONGEST_NOTE ? `${text.slice(0, LONGEST_NOTE)}...` : text;
}
