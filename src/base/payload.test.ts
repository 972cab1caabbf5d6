import { expect, test } from 'vitest';
import { readPayload, textPayload } from './payload.js';

test('a payload of text gives its arguments back', () => {
  const args = ['SET', 'key', '', 'a\r\nb', '$3'];
  expect(readPayload(textPayload(args))).toEqual(args);
  expect(readPayload('*2\r\n$4\r\nECHO\r\n$9\r\nünï 船\r\n')).toEqual(['ECHO', 'ünï 船']);
});

test('a payload in parts gives Buffers back where they are no text', () => {
  const binary = Buffer.from([0, 13, 10, 255]);
  const text = Buffer.from('船');
  const payload = ['*3\r\n$3\r\nSET\r\n$3\r\n', text, '\r\n$4\r\n', binary, '\r\n'];
  expect(readPayload(payload)).toEqual(['SET', '船', binary]);
});

test('a Buffer that is given back is a copy', () => {
  const binary = Buffer.from([255]);
  const [, argument] = readPayload(['*2\r\n$4\r\nECHO\r\n$1\r\n', binary, '\r\n']);
  binary.fill(0);
  expect(argument).toEqual(Buffer.from([255]));
});

test('the own commands of the pool are RESP', () => {
  expect(textPayload(['SELECT', '7'])).toBe('*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n');
});
