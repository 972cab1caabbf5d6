// Which names are the same, and which may be taken. Case and the forms of characters make no other
// name (NFKC, small letters). A new name is of one script, or of those that are written together, as
// "Highly Restrictive" of Unicode's UTS 39 has it: a Cyrillic letter among Latin ones looks the same
// and isn't. Names wholly of another script are names like any; who is who is told by ids.

import { MAX_USERNAME_LENGTH, USERNAME_CHARACTERS } from './http/schemas.js';

/** Written together, in Chinese, Japanese and Korean, also with Latin letters. */
const TOGETHER = [
  ['Latin', 'Han', 'Hiragana', 'Katakana'],
  ['Latin', 'Han', 'Bopomofo'],
  ['Latin', 'Han', 'Hangul'],
];
/** In common use today: UAX 31, table 5. */
const ALONE =
  'Arabic Armenian Bengali Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Hebrew ' +
  'Kannada Khmer Lao Malayalam Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Tibetan';

/** ASCII digits and punctuation are of all scripts; other digits of those that write them. */
const ONE_SCRIPT = new RegExp(
  [...TOGETHER, ...ALONE.split(' ').map((script) => [script])]
    .map((scripts) => scripts.map((script) => `\\p{Script_Extensions=${script}}`).join(''))
    .map((letters) => `^[${letters}0-9._@-]+$`)
    .join('|'),
  'u',
);

/**
 * `undefined` for what is no name. Looked at after the change of form, as that may bring what a name
 * may not have: U+FDFA becomes 18 characters, spaces among them.
 */
export function normalUserName(text: string): string | undefined {
  const name = text.normalize('NFKC').toLowerCase().normalize('NFKC');
  return name.length <= MAX_USERNAME_LENGTH && USERNAME_CHARACTERS.test(name) ? name : undefined;
}

/** @param name In its normal form. */
export function isOfOneScript(name: string): boolean {
  return ONE_SCRIPT.test(name);
}
