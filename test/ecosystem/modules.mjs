// The commands of a module's package: that each sends the words which node-redis sends, and makes of
// each reply, whatever it is, what node-redis makes of it.

import assert from 'node:assert/strict';
import { CLIENTS } from './clients.mjs';
import { Recorder } from './recorder.mjs';

/** Right and wrong ones alike: what a transformation throws has to be the same too. */
const REPLIES = [
  '-ERR refused\r\n',
  '+OK\r\n',
  ':1\r\n',
  '$4\r\n[42]\r\n',
  '*0\r\n',
  '*2\r\n$1\r\na\r\n$3\r\n1.5\r\n',
  '*2\r\n*2\r\n:1\r\n$3\r\n1.5\r\n:0\r\n',
];
const REPLIES_BY_PROTOCOL = {
  2: [...REPLIES, '$-1\r\n', '*-1\r\n'],
  3: [...REPLIES, '_\r\n', ',1.5\r\n', '#t\r\n', '%1\r\n$1\r\na\r\n*2\r\n*0\r\n*0\r\n'],
};

const PLAIN = (client, namespace, [method, ...args]) => client[namespace][method](...args);
const IN_TRANSACTION = (client, namespace, [method, ...args]) => {
  const multi = client.multi();
  multi[namespace][method](...args);
  return multi.exec();
};

/** @param calls By namespace, each a method and its arguments. */
export function moduleCase({ packageName, modules, calls, ...rest }) {
  const all = Object.entries(calls).flatMap(([namespace, list]) =>
    list.map((call) => [namespace, call]),
  );
  const compare = (RESP, how) => (world) => compareCalls(world, { modules, RESP }, all, how);
  return {
    packages: [packageName, '@redis/client'],
    ...rest,
    checks: {
      'every command of the package is called below': () => everyCommandIsCalled(modules, calls),
      [`words and replies of ${all.length} calls are node-redis'`]: compare(3, PLAIN),
      'the same over RESP2': compare(2, PLAIN),
      'the same in transactions': compare(3, IN_TRANSACTION),
    },
  };
}

async function everyCommandIsCalled(modules, calls) {
  for (const [namespace, commands] of Object.entries(modules)) {
    const called = new Set(calls[namespace].map(([method]) => commands[method]));
    const missing = Object.keys(commands).filter((name) => !called.has(commands[name]));
    assert.deepEqual(missing, []);
  }
}

async function compareCalls(world, options, calls, how) {
  const mine = await rigOf(world, (url) => world.open(options, { url }));
  const theirs = await rigOf(world, async (url) => {
    const client = await CLIENTS['node-redis'].open(url, options);
    world.atEnd(() => client.destroy());
    return client;
  });
  for (const [namespace, call] of calls) {
    for (const reply of REPLIES_BY_PROTOCOL[options.RESP]) {
      const [own, other] = await Promise.all(
        [mine, theirs].map((rig) => outcomeOf(rig, reply, namespace, call, how)),
      );
      const what = `${namespace}.${call[0]}, answered ${JSON.stringify(reply)}`;
      assert.deepEqual(own, other, what);
      assert.equal(own.words.length, 1, what);
    }
  }
}

async function rigOf(world, open) {
  const recorder = await new Recorder().start();
  world.atEnd(() => recorder.stop());
  return { recorder, client: await open(recorder.url) };
}

async function outcomeOf({ recorder, client }, reply, namespace, call, how) {
  recorder.words = [];
  recorder.reply = reply;
  const outcome = await settled(() => how(client, namespace, call));
  return { ...outcome, words: recorder.words };
}

async function settled(act) {
  try {
    return { value: await act() };
  } catch (error) {
    return { error: error.message, replies: error.replies?.map(String) };
  }
}
