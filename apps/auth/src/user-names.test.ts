import { describe, expect, test } from 'vitest';
import { isOfOneScript, normalUserName } from './user-names.js';

describe('user names', () => {
  test.each([
    ['ANN', 'ann'],
    ['ａｎｎ', 'ann'],
    ['ﬁona', 'fiona'],
    ['ſam', 'sam'],
    ['\u212Aate', 'kate'],
    ['Zoe\u0308', 'zoë'],
    ['ann①', 'ann1'],
  ])('%s is %s', (text, expected) => {
    expect(normalUserName(text)).toBe(expected);
  });

  test.each(['İan', 'user\uFDFA', 'a½b', 'a b', 'a\u200Db', '\uD800abc', 'ﬃ'.repeat(40)])(
    '%j is no name',
    (text) => {
      expect(normalUserName(text)).toBeUndefined();
    },
  );

  test.each([
    'ann.lee_1@host-2',
    '2026',
    'zoë',
    'straße',
    'ольга',
    'γιώργος7',
    'ירון',
    'محمد١',
    'სოფო',
    '明日香さん',
    'ミライmirai',
    '李小龍lee',
    '김철수kim',
    'ภาษาไทย',
  ])('%s is of one script', (name) => {
    expect(isOfOneScript(normalUserName(name) ?? name)).toBe(true);
  });

  test.each([
    ['Cyrillic in Latin', '\u0430dmin'],
    ['Greek in Latin', 'r\u03BFot'],
    ['Armenian in Latin', 'r\u0585ot'],
    ['Cherokee in Latin', 'th\uAB75baud'],
    ['Latin in Cyrillic', 'ольгa'],
    ['Cyrillic and Greek', 'ольγα'],
    ['Arabic digits in Latin', 'ann\u0661'],
    ['Devanagari digits in Latin', 'ann\u0967'],
    ['Hangul and kana', '김ミ'],
    ['a script of the past', '\u{10330}\u{10331}\u{10332}'],
  ])('%s are refused', (_name, name) => {
    expect(isOfOneScript(name)).toBe(false);
  });
});
