// The floor: a bare socket that pipelines and does nothing else. One write a tick, one promise a
// command, replies as JavaScript strings. No deadline, retry, limit, statistics or reconnect, and
// only the replies that the workloads bring. Nothing that keeps promises to callers can be cheaper
// by much, so the distance to it is what a client's features cost.

import { connect } from 'node:net';

const CRLF = '\r\n';
const CARRIAGE_RETURN = 13;
const BULK = 36;
const ARRAY = 42;
const INTEGER = 58;

export function openFloor(port) {
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: { buffer: Buffer.allocUnsafeSlow(64 * 1024), callback: onRead },
  });
  socket.setNoDelay(true);
  let batch = '';
  let isScheduled = false;
  const waiting = [];
  let head = 0;
  let rest;
  let cursor = 0;

  function flush() {
    isScheduled = false;
    socket.write(batch, 'latin1');
    batch = '';
  }

  function send(args) {
    let text = `*${args.length}${CRLF}`;
    for (const arg of args) text += `$${Buffer.byteLength(arg)}${CRLF}${arg}${CRLF}`;
    batch += text;
    if (!isScheduled) {
      isScheduled = true;
      process.nextTick(flush);
    }
    return new Promise((resolve) => waiting.push(resolve));
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
      if (reply === undefined) {
        rest = Buffer.from(chunk.subarray(start, end));
        break;
      }
      waiting[head](reply);
      waiting[head++] = undefined;
    }
    if (head === waiting.length || head > 16_384) {
      waiting.splice(0, head);
      head = 0;
    }
    return true;
  }

  /** One reply, or `undefined` when the chunk ends inside it. */
  function read(chunk, end) {
    const type = chunk[cursor];
    let value = 0;
    let position = cursor + 1;
    for (; position < end && chunk[position] !== CARRIAGE_RETURN; position++) {
      value = value * 10 + chunk[position] - 48;
    }
    if (position + 2 > end) return undefined;
    const body = position + 2;
    if (type === BULK) {
      if (body + value + 2 > end) return undefined;
      cursor = body + value + 2;
      return chunk.latin1Slice(body, body + value);
    }
    if (type === ARRAY) {
      cursor = body;
      const items = new Array(value);
      for (let index = 0; index < value; index++) {
        items[index] = read(chunk, end);
        if (items[index] === undefined) return undefined;
      }
      return items;
    }
    const text = type === INTEGER ? value : chunk.latin1Slice(cursor + 1, position);
    cursor = body;
    return text;
  }

  return { send, close: () => socket.destroy() };
}
