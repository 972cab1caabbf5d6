// Passwords in one form, whatever keyboard they were typed on: the profile OpaqueString of RFC 8265.
// An `é` may be one character or two, a space may be one of seventeen; letters stay as they are in
// case and width. What nobody can type again with certainty is refused: controls, what is invisible,
// what has no meaning (yet), half of a character.
//
// Joiners, and the few characters that RFC 5892 allows next to certain others only, are taken wherever
// they stand: those rules serve names that people compare by eye.

const SPACES = /\p{Zs}/gu;
/** RFC 8264 §8, all that FreeformClass disallows; old Hangul jamo and RFC 5892 §2.6 as ranges. */
const DISALLOWED =
  /(?![\u200c\u200d])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]/u;

/** `undefined` where the text has characters that no password may have. */
export function opaqueString(text: string): string | undefined {
  const normal = text.replace(SPACES, ' ').normalize('NFC');
  return DISALLOWED.test(normal) ? undefined : normal;
}
