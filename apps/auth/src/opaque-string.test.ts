import { expect, test } from 'vitest';
import { opaqueString } from './opaque-string.js';

test.each([
  ['what ASCII has stays', ' ~!"#$%&\'()*+,-./0:;<=>?@AZ[\\]^_`az{|}', undefined],
  ['letters of two characters become one', 'cafe\u0301', 'café'],
  ['marks get one order', 'q\u0307\u0323', 'q\u0323\u0307'],
  ['compatible forms stay apart: ligature, width, ohm', 'ﬁ ｐ ½', undefined],
  ['singletons become what they are', '\u212b\u2126', '\u00c5\u03a9'],
  ['every space is the space', 'a\u00a0b\u3000c\u2003d', 'a b c d'],
  ['modern Hangul is composed', '\u1112\u1161\u11ab', '한'],
  ['case stays', 'Σς', undefined],
  ['emoji and joiners stay', '🔑👩\u200d🔬 می\u200cخواهم', undefined],
])('%s', (_name, text, expected) => {
  expect(opaqueString(text)).toBe(expected ?? text);
  expect(opaqueString(expected ?? text)).toBe(expected ?? text);
});

test.each([
  ['NUL', '\0'],
  ['a tabulator', '\t'],
  ['DEL', '\u007f'],
  ['half of a character', '\ud800'],
  ['a byte order mark', '\ufeff'],
  ['a soft hyphen', '\u00ad'],
  ['a zero width space', '\u200b'],
  ['a turn of direction', '\u202e'],
  ['a line separator', '\u2028'],
  ['a variation selector', '\ufe0f'],
  ['private use', '\ue000'],
  ['no character', '\uffff'],
  ['one that is not assigned', '\u0378'],
  ['old Hangul', '\u1113'],
  ['a tatweel', '\u0640'],
])('%s is refused', (_name, character) => {
  expect(opaqueString(`correct horse${character}battery`)).toBeUndefined();
});
