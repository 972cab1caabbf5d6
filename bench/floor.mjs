// The floor: a bare socket that pipelines and does nothing else. One write a tick, one promise a
// command, replies as JavaScript strings. No deadline, retry, limit, statistics or reconnect, ASCII
// only. Nothing that keeps promises to callers can be cheaper by much, so the distance to it is
// what a client's features cost. What is known to be fast is used here too (headers kept ready, a
// ring queue, one executor for all promises): a slow floor would flatter everybody.

import { connect } from 'node:net';

const CRLF = '\r\n';
const CARRIAGE_RETURN = 13;
const BULK = 36;
const ARRAY = 42;
const ERROR = 45;
const INTEGER = 58;
const DIGIT_ZERO = 48;
const READ_BUFFER_BYTES = 64 * 1024;

/** What stands before an argument and before a command, by length and by count. */
const HEADERS = Array.from({ length: 1_024 }, (_, length) => `${CRLF}$${length}${CRLF}`);
const COUNTS = Array.from({ length: 64 }, (_, count) => `*${count}`);

/** Returned by `read` when the chunk ends inside a reply. */
const INCOMPLETE = Symbol('incomplete');

let capturedResolve;
const capture = (resolve) => {
  capturedResolve = resolve;
};

export function openFloor(port) {
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: { buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES), callback: onRead },
  });
  socket.setNoDelay(true);
  let batch = '';
  let isScheduled = false;
  let waiting = new Array(1_024).fill(undefined);
  let mask = waiting.length - 1;
  let head = 0;
  let tail = 0;
  let rest;
  let cursor = 0;

  function send(args) {
    let text = COUNTS[args.length] ?? `*${args.length}`;
    for (let index = 0; index < args.length; index++) {
      const { length } = args[index];
      text +=
        (length < HEADERS.length ? HEADERS[length] : `${CRLF}$${length}${CRLF}`) + args[index];
    }
    batch += text + CRLF;
    if (!isScheduled) {
      isScheduled = true;
      process.nextTick(flush);
    }
    const promise = new Promise(capture);
    if (tail - head > mask) grow();
    waiting[tail++ & mask] = capturedResolve;
    return promise;
  }

  function flush() {
    isScheduled = false;
    const text = batch;
    batch = '';
    socket.write(text, 'latin1');
  }

  function grow() {
    const larger = new Array(waiting.length * 2).fill(undefined);
    for (let index = head; index < tail; index++) {
      larger[index & (larger.length - 1)] = waiting[index & mask];
    }
    waiting = larger;
    mask = larger.length - 1;
  }

  function onRead(length, buffer) {
    let chunk = buffer;
    let end = length;
    if (rest !== undefined) {
      chunk = Buffer.concat([rest, buffer.subarray(0, length)]);
      end = chunk.length;
      rest = undefined;
    }
    cursor = 0;
    while (cursor < end) {
      const start = cursor;
      const reply = read(chunk, end);
      if (reply === INCOMPLETE) {
        rest = Buffer.from(chunk.subarray(start, end));
        break;
      }
      const index = head++ & mask;
      const resolve = waiting[index];
      waiting[index] = undefined;
      resolve(reply);
    }
    return true;
  }

  /** One reply, or INCOMPLETE; then the cursor is of no use. */
  function read(chunk, end) {
    const type = chunk[cursor];
    let value = 0;
    let stop = cursor + 1;
    for (; stop < end && chunk[stop] !== CARRIAGE_RETURN; stop++) {
      value = value * 10 + chunk[stop] - DIGIT_ZERO;
    }
    if (stop + 2 > end) return INCOMPLETE;
    const line = cursor + 1;
    cursor = stop + 2;
    if (type === BULK) {
      // The minus of -1 has made the sum negative, if wrong: there is no such value.
      if (value < 0) return null;
      const start = cursor;
      if (start + value + 2 > end) return INCOMPLETE;
      cursor = start + value + 2;
      return chunk.latin1Slice(start, start + value);
    }
    if (type === ARRAY) return value < 0 ? null : readItems(chunk, end, value);
    const text = chunk.latin1Slice(line, stop);
    if (type === ERROR) return Promise.reject(new Error(text));
    return type === INTEGER ? Number(text) : text;
  }

  function readItems(chunk, end, count) {
    const items = new Array(count);
    for (let index = 0; index < count; index++) {
      items[index] = read(chunk, end);
      if (items[index] === INCOMPLETE) return INCOMPLETE;
    }
    return items;
  }

  return { send, close: () => socket.destroy() };
}
